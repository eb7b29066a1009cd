"""The algorithm catalogue: name -> "module:Class", loaded on first use."""

CATALOGUE: dict[str, str] = {
    "nsga2": "moopt.algorithms.nsga2:NSGA2",
    "qnehvi": "moopt.algorithms.qnehvi:QNEHVI",
    "random": "moopt.algorithms.random:RandomSearch",
    "policygradient": "moopt.algorithms.policygradient:PolicyGradient",
    "qlearners": "moopt.algorithms.qlearners:QLearners",
}
