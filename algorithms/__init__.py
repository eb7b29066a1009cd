"""The algorithm catalogue: the class of each module, loaded on first use; a name is that of its class in lower case."""

CATALOGUE: dict[str, str] = {
    "moopt.algorithms.bayesian.bayes": "Bayes",
    "moopt.algorithms.bayesian.egbo": "EGBO",
    "moopt.algorithms.evolutionary.hype": "HypE",
    "moopt.algorithms.evolutionary.moead": "MOEAD",
    "moopt.algorithms.evolutionary.nsga2": "NSGA2",
    "moopt.algorithms.evolutionary.nsga3": "NSGA3",
    "moopt.algorithms.bayesian.parego": "ParEGO",
    "moopt.algorithms.alignment.policygradient": "PolicyGradient",
    "moopt.algorithms.reinforcement.qlearners": "QLearners",
    "moopt.algorithms.bayesian.qnehvi": "QNEHVI",
    "random": "moopt.algorithms.random:RandomSearch",
    "moopt.algorithms.evolutionary.rvea": "RVEA",
}
