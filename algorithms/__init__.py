"""The algorithm catalogue: name -> "module:Class", loaded on first use."""

CATALOGUE: dict[str, str] = {
    "bayes": "moopt.algorithms.bayes:Bayes",
    "egbo": "moopt.algorithms.egbo:EGBO",
    "hype": "moopt.algorithms.hype:HypE",
    "moead": "moopt.algorithms.moead:MOEAD",
    "nsga2": "moopt.algorithms.nsga2:NSGA2",
    "nsga3": "moopt.algorithms.nsga3:NSGA3",
    "parego": "moopt.algorithms.parego:ParEGO",
    "policygradient": "moopt.algorithms.policygradient:PolicyGradient",
    "qlearners": "moopt.algorithms.qlearners:QLearners",
    "qnehvi": "moopt.algorithms.qnehvi:QNEHVI",
    "random": "moopt.algorithms.random:RandomSearch",
    "rvea": "moopt.algorithms.rvea:RVEA",
}
