"""Functions of matrices: inverses, determinants, factors."""

import torch

import chapter14.functional as F

from .declare import case, one


def regular(draw, n):
    """Matrices that are nowhere near a singular one."""
    A = draw(n, 3, 3).detach()
    return ((A + 4 * torch.eye(3).to(A)).requires_grad_(),)


def triangles(draw, n):
    """And what they are to be solved for."""
    return *regular(draw, n), draw(n, 3, 2)


def of_definite(ours, native):
    """Of A A^T, which is symmetric and positive definite."""
    return lambda A: ours(F.matmul(*_with_transposed(A))), lambda A: native(A @ A.mT)


def _with_transposed(A):
    A, also = F.branch(A)
    return A, F.transpose(also)


# PyTorch's are wrong in nested forward mode: for that, functions of 3 x 3 matrices out of plain operations.


def det(A):
    return (torch.linalg.cross(A[..., 0], A[..., 1]) * A[..., 2]).sum(-1)


def log_of(A):
    return det(A).log()


def cholesky(A):
    """Row by row."""
    L = []
    for i in range(A.shape[-1]):
        row = []
        for j in range(i):
            row.append((A[..., i, j] - sum(row[k] * L[j][k] for k in range(j))) / L[j][j])
        row.append((A[..., i, i] - sum(x * x for x in row)).sqrt())
        L.append(row)
    zero = torch.zeros_like(A[..., 0, 0])
    return torch.stack([torch.stack([*row, *[zero] * (len(L) - len(row))], -1) for row in L], -2)


def solve_in(A, B, upper, left=True, unitriangular=False):
    """Of what is read of A alone, by the inverse."""
    A = A.triu() if upper else A.tril()
    if unitriangular:
        A = A - torch.diag_embed(A.diagonal(dim1=-2, dim2=-1)) + torch.eye(A.shape[-1]).to(A)
    return A.inverse() @ B if left else B @ A.inverse()


def triangular(title="", but=None, inputs=triangles, **options):
    def of(f):
        return lambda A, B: f(A, B, **options)

    return case("solve_triangular", of(F.solve_triangular), of(torch.linalg.solve_triangular), inputs, of(solve_in),
                title=title, but=but)  # fmt: skip


LOW = {"agrees_forward": "PyTorch takes no bfloat16, and says so in words of its own"}
REFUSED = {"not_a_number": "PyTorch refuses it as not positive definite"}
BY_TRIANGLES = {
    "not_a_number": "it solves for the rows of I, and 0 times NaN is NaN; LAPACK leaves out the zeros",
    "lean": "I is remembered",
    "forward_mode": "PyTorch's tangent differs from its own finite differences",
}
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
    triangular(upper=False),
    triangular("from the right", inputs=lambda draw, n: (*regular(draw, n), draw(n, 2, 3)), upper=True, left=False),
    triangular("ones", upper=True, unitriangular=True),
    triangular("broadcast", inputs=lambda draw, n: (*regular(draw, 1), draw(n, 2, 3, 2)), upper=False),
    case("cholesky", *of_definite(F.cholesky, torch.linalg.cholesky), regular, lambda A: cholesky(A @ A.mT),
         but=REFUSED),
    case("cholesky", *of_definite(lambda A: F.cholesky(A, upper=True), lambda A: torch.linalg.cholesky(A, upper=True)),
         regular, lambda A: cholesky(A @ A.mT).mT, title="upper", but=REFUSED),
    case("cholesky_ex", *of_definite(F.cholesky_ex, torch.linalg.cholesky_ex), regular, lambda A: cholesky(A @ A.mT)),
    case("cholesky_solve", lambda B, A: F.cholesky_solve(B, F.tril(A)), lambda B, A: torch.cholesky_solve(B, A.tril()),
         lambda draw, n: (draw(n, 3, 2), *regular(draw, n)), lambda B, A: (A.tril() @ A.tril().mT).inverse() @ B),
    case("cholesky_inverse", lambda A: F.cholesky_inverse(F.tril(A)), lambda A: torch.cholesky_inverse(A.tril()),
         regular, lambda A: (A.tril() @ A.tril().mT).inverse(), but=BY_TRIANGLES),
]  # fmt: skip
