import moopt


def line(slope=1.0):
    return moopt.FunctionProblem(lambda x: (x, slope * (1 - x)), {"x": moopt.Real(0, 1)}, ["near", "far"])
