"""CASES: every layer, declared once, in tests/cases. Each check in `chapter14.checking.checks` reads this table."""

from .cases import (
    arithmetic,
    arrange,
    attention,
    branch,
    convolution,
    dropout,
    linear,
    loss,
    matmul,
    norm,
    pointwise,
    pool,
    recurrent,
    softmax,
)

FAMILIES = [
    linear,
    pointwise,
    loss,
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
    recurrent,
]
CASES = [case for family in FAMILIES for case in family.CASES]
