"""CASES: every layer, declared once, in tests/cases. Each check in `chapter14.checking.checks` reads this table."""

from .cases import (
    arithmetic,
    arrange,
    attention,
    binary,
    branch,
    compare,
    convolution,
    dropout,
    gather,
    linear,
    loss,
    matmul,
    norm,
    pointwise,
    pool,
    reduce,
    softmax,
    transcendental,
)

FAMILIES = [
    linear,
    pointwise,
    loss,
    branch,
    arithmetic,
    binary,
    compare,
    transcendental,
    reduce,
    arrange,
    gather,
    matmul,
    convolution,
    pool,
    softmax,
    norm,
    attention,
    dropout,
]
CASES = [case for family in FAMILIES for case in family.CASES]
