"""Verification: who speaks is decided from embeddings, and the errors of that are counted."""

from tasks.verification.as_norm import as_norm, cohort_statistics
from tasks.verification.backend import Backend, Enrolment
from tasks.verification.bootstrap_interval import Interval, bootstrap_interval
from tasks.verification.calibration import Calibration
from tasks.verification.cllr import cllr, min_cllr
from tasks.verification.cosine import cosine_scores
from tasks.verification.det_curve import DetCurve, OperatingPoint, det_curve
from tasks.verification.equal_error_rate import equal_error_rate
from tasks.verification.figures import draw_det_curves, draw_embeddings, draw_scores
from tasks.verification.lda import LDA
from tasks.verification.min_dcf import min_dcf
from tasks.verification.plda import PLDA

__all__ = [
    "LDA",
    "PLDA",
    "Backend",
    "Calibration",
    "DetCurve",
    "Enrolment",
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
