"""Functions of matrices: inverses, determinants, factors."""

import torch

import chapter14.functional as F

from .declare import case, one


def regular(draw, n):
    """Matrices that are nowhere near a singular one."""
    A = draw(n, 3, 3).detach()
    return ((A + 4 * torch.eye(3).to(A)).requires_grad_(),)


# PyTorch's are wrong in nested forward mode: for that, functions of 3 x 3 matrices out of plain operations.


def det(A):
    return (torch.linalg.cross(A[..., 0], A[..., 1]) * A[..., 2]).sum(-1)


def log_of(A):
    return det(A).log()


LOW = {"agrees_forward": "PyTorch takes no bfloat16, and says so in words of its own"}
CASES = [
    case("inverse", F.inverse, torch.linalg.inv, regular, but=LOW),
    case("solve", F.solve, torch.linalg.solve, lambda draw, n: (*regular(draw, n), draw(n, 3, 2)),
         lambda A, B: A.inverse() @ B),
    case("solve", lambda A, B: F.solve(A, B, left=False), lambda A, B: torch.linalg.solve(A, B, left=False),
         lambda draw, n: (*regular(draw, n), draw(n, 2, 3)), lambda A, B: B @ A.inverse(), title="from the right"),
    case("det", F.det, torch.linalg.det, one(3, 3), det),
    case("slogdet", F.slogdet, torch.linalg.slogdet, regular, lambda A: (det(A).sign(), log_of(A)),
         but=LOW),
    case("logdet", F.logdet, torch.logdet, regular, log_of, but=LOW),
]  # fmt: skip
