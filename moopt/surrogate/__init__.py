"""Models of expensive functions, and where to look next: a thin layer on BoTorch.

``fit`` models objectives and constraints, ``fit_failure`` models where evaluations fail, ``suggest`` asks both for the
next points. Everything speaks the unit cube, minimised objectives and ``g <= 0`` feasible, and computes in float64.
BoTorch and GPyTorch are imported when one of the functions first runs, not here.
"""

from moopt.surrogate.acquisition import infer_reference_point, suggest
from moopt.surrogate.model import FailureModel, Surrogate, fit, fit_failure

__all__ = ["FailureModel", "Surrogate", "fit", "fit_failure", "infer_reference_point", "suggest"]
