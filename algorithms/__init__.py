"""The algorithm catalogue: the class of each module, loaded on first use; a name is that of its class in lower case."""

CATALOGUE: dict[str, str] = {
    "moopt.algorithms.bayes": "Bayes",
    "moopt.algorithms.egbo": "EGBO",
    "moopt.algorithms.hype": "HypE",
    "moopt.algorithms.moead": "MOEAD",
    "moopt.algorithms.nsga2": "NSGA2",
    "moopt.algorithms.nsga3": "NSGA3",
    "moopt.algorithms.parego": "ParEGO",
    "moopt.algorithms.policygradient": "PolicyGradient",
    "moopt.algorithms.qlearners": "QLearners",
    "moopt.algorithms.qnehvi": "QNEHVI",
    "random": "moopt.algorithms.random:RandomSearch",
    "moopt.algorithms.rvea": "RVEA",
}
