"""Speaker verification: scores, decisions and error rates from embeddings."""

from sennit.tasks.verification.as_norm import as_norm, cohort_statistics
from sennit.tasks.verification.backend import Backend
from sennit.tasks.verification.bootstrap_interval import Interval, bootstrap_interval
from sennit.tasks.verification.calibration import Calibration
from sennit.tasks.verification.cllr import cllr, min_cllr
from sennit.tasks.verification.cosine import cosine_scores
from sennit.tasks.verification.det_curve import DetCurve, OperatingPoint, det_curve
from sennit.tasks.verification.domain import Domain
from sennit.tasks.verification.enrolment import Enrolment
from sennit.tasks.verification.equal_error_rate import equal_error_rate
from sennit.tasks.verification.figures import draw_det_curves, draw_embeddings, draw_scores
from sennit.tasks.verification.impostors import Impostors
from sennit.tasks.verification.lda import LDA
from sennit.tasks.verification.min_dcf import min_dcf
from sennit.tasks.verification.plda import PLDA

__all__ = [
    "LDA",
    "PLDA",
    "Backend",
    "Calibration",
    "DetCurve",
    "Domain",
    "Enrolment",
    "Impostors",
    "Interval",
    "OperatingPoint",
    "as_norm",
    "bootstrap_interval",
    "cllr",
    "cohort_statistics",
    "cosine_scores",
    "det_curve",
    "draw_det_curves",
    "draw_embeddings",
    "draw_scores",
    "equal_error_rate",
    "min_cllr",
    "min_dcf",
]
