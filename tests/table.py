"""CASES: every layer, declared once, in tests/cases. Each check in `chapter14.checking.checks` reads this table."""

from .cases import (
    arithmetic,
    arrange,
    attention,
    branch,
    convolution,
    ctc,
    distance,
    dropout,
    linear,
    loss,
    loss_likelihood,
    loss_margin,
    loss_regression,
    matmul,
    norm,
    pointwise,
    pool,
    softmax,
)

FAMILIES = [
    linear,
    pointwise,
    loss,
    loss_regression,
    loss_likelihood,
    loss_margin,
    distance,
    ctc,
    branch,
    arithmetic,
    arrange,
    matmul,
    convolution,
    pool,
    softmax,
    norm,
    attention,
    dropout,
]
CASES = [case for family in FAMILIES for case in family.CASES]
