"""CASES: every layer, declared once, in tests/cases. Each check in `chapter14.checking.checks` reads this table."""

from .cases import (
    activation,
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
    softmax,
)

FAMILIES = [
    linear,
    pointwise,
    activation,
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
]
CASES = [case for family in FAMILIES for case in family.CASES]
