"""The algorithm catalogue: name -> "module:Class", loaded on first use."""

CATALOGUE: dict[str, str] = {
    "policygradient": "moopt.algorithms.policygradient:PolicyGradient",
}
