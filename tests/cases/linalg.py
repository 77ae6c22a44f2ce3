"""Functions of matrices: inverses, determinants, factors."""

import torch

import chapter14.functional as F
from chapter14.layers.core.complex import conj

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
    return lambda A: ours(F.matmul(*_with_transposed(A))), lambda A: native(A @ A.mH)


def _with_transposed(A):
    A, also = F.branch(A)
    return A, conj(F.transpose(also))


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


def triangular(title="", skip=None, inputs=triangles, **options):
    def of(f):
        return lambda A, B: f(A, B, **options)

    return case("solve_triangular", of(F.solve_triangular), of(torch.linalg.solve_triangular), inputs, of(solve_in),
                title=title, skip=skip)  # fmt: skip


def eigh(A):
    """Of symmetric 2 x 2 matrices."""
    middle, half, b = (A[..., 0, 0] + A[..., 1, 1]) / 2, (A[..., 0, 0] - A[..., 1, 1]) / 2, A[..., 1, 0]
    radius = (half * half + b * b).sqrt()
    values = torch.stack([middle - radius, middle + radius], -1)
    V = torch.stack([torch.stack([b, b], -1), values - A[..., :1, 0]], -2)
    V = V / (V * V).sum(-2, keepdim=True).sqrt()
    return values, _turned(V, torch.linalg.eigh(A)[1])


def _turned(V, like):
    """V with the signs of LAPACK's vectors."""
    return V * (V * like).sum(-2, keepdim=True).detach().sign()


def svd(A):
    """Of 3 x 2 matrices, and of such matrices transposed."""
    if A.shape[-1] > A.shape[-2]:
        V, s, Uh = svd(A.mT)
        U = _turned(Uh.mT, torch.linalg.svd(A, False)[0])
        return U, s, (V * (U * Uh.mT).sum(-2, keepdim=True)).mT
    values, V = eigh(A.mT @ A)
    s, V = values.flip(-1).sqrt(), V.flip(-1)
    V = _turned(V, torch.linalg.svd(A, False)[2].mT)
    return A @ V / s[..., None, :], s, V.mT


def qr(A):
    """By Cholesky's factor of A^T A, with LAPACK's signs."""
    square = A[..., : A.shape[-2]]
    signs = torch.linalg.qr(square)[1].diagonal(dim1=-2, dim2=-1).detach().sign()
    R = signs[..., None] * cholesky(square.mT @ square).mT
    Q = square @ R.inverse()
    return Q, Q.mT @ A


def of_symmetric(ours, native):
    """Of A + A^T."""
    return lambda A: ours(F.add(*_with_transposed(A))), lambda A: native(A + A.mT)


def exponential(A):
    x_out = term = torch.eye(2).to(A)
    for k in range(1, 25):
        term = term @ A / k
        x_out = x_out + term
    return x_out


LOW = {"forward_agrees": "PyTorch takes no bfloat16, and says so in words of its own"}
NAN = {"nan_inputs": "LAPACK refuses a NaN"}
PINV = LOW | NAN | {"autocast_agrees": "PyTorch's ends in a product, which autocast has in the lower precision"}
POWER = LOW | {"memory_at_most_native": "A and A^-1 are saved; PyTorch's inverse saves A^-1 too"}
TWO = {"memory_needed_gradients_only": "what comes out comes from two layers"}
REFUSED = {"nan_inputs": "PyTorch refuses it as not positive definite"}
BY_TRIANGLES = REFUSED | {
    "memory_at_most_native": "I is remembered",
    "forward_mode_agrees": "PyTorch's tangent differs from its own finite differences",
}
CASES = [
    case("inverse", F.inverse, torch.linalg.inv, regular, skip=LOW),
    case("solve", F.solve, torch.linalg.solve, lambda draw, n: (*regular(draw, n), draw(n, 3, 2)),
         lambda A, B: A.inverse() @ B),
    case("solve", lambda A, B: F.solve(A, B, left=False), lambda A, B: torch.linalg.solve(A, B, left=False),
         lambda draw, n: (*regular(draw, n), draw(n, 2, 3)), lambda A, B: B @ A.inverse(), title="from the right"),
    case("det", F.det, torch.linalg.det, one(3, 3), det),
    case("slogdet", F.slogdet, torch.linalg.slogdet, regular, lambda A: (det(A).sign(), log_of(A)),
         skip=LOW),
    case("logdet", F.logdet, torch.logdet, regular, log_of, skip=LOW),
    triangular(upper=False),
    triangular("from the right", inputs=lambda draw, n: (*regular(draw, n), draw(n, 2, 3)), upper=True, left=False),
    triangular("ones", upper=True, unitriangular=True),
    triangular("broadcast", inputs=lambda draw, n: (*regular(draw, 1), draw(n, 2, 3, 2)), upper=False),
    case("cholesky", *of_definite(F.cholesky, torch.linalg.cholesky), regular, lambda A: cholesky(A @ A.mT),
         skip=REFUSED),
    case("cholesky", *of_definite(lambda A: F.cholesky(A, upper=True), lambda A: torch.linalg.cholesky(A, upper=True)),
         regular, lambda A: cholesky(A @ A.mT).mT, title="upper", skip=REFUSED),
    case("cholesky_ex", *of_definite(F.cholesky_ex, torch.linalg.cholesky_ex), regular, lambda A: cholesky(A @ A.mT)),
    case("cholesky_solve", lambda B, A: F.cholesky_solve(B, F.tril(A)), lambda B, A: torch.cholesky_solve(B, A.tril()),
         lambda draw, n: (draw(n, 3, 2), *regular(draw, n)), lambda B, A: (A.tril() @ A.tril().mT).inverse() @ B),
    case("cholesky_inverse", *of_definite(lambda A: F.cholesky_inverse(F.cholesky(A)),
                                          lambda A: torch.cholesky_inverse(torch.linalg.cholesky(A))),
         regular, lambda A: (A @ A.mT).inverse(), skip=BY_TRIANGLES),
    case("eigh", *of_symmetric(F.eigh, torch.linalg.eigh), one(2, 2), lambda A: eigh(A + A.mT), skip=NAN),
    case("eigvalsh", *of_symmetric(F.eigvalsh, torch.linalg.eigvalsh), one(2, 2), lambda A: eigh(A + A.mT)[0],
         skip=NAN),
    *(case("svd", lambda A: F.svd(A, False), lambda A: torch.linalg.svd(A, False), one(*shape), svd,
           title=f"{shape}", skip=NAN | TWO) for shape in ((3, 2), (2, 3))),
    case("svdvals", F.svdvals, torch.linalg.svdvals, one(3, 2), lambda A: svd(A)[1], skip=NAN),
    *(case("qr", F.qr, torch.linalg.qr, one(*shape), qr, title=f"{shape}",
           skip=TWO if shape == (2, 3) else {}) for shape in ((3, 2), (2, 3))),
    case("pinv", F.pinv, torch.linalg.pinv, one(3, 2), lambda A: (A.mT @ A).inverse() @ A.mT, skip=PINV),
    case("pinv", F.pinv, torch.linalg.pinv, one(2, 3), lambda A: A.mT @ (A @ A.mT).inverse(), title="wide",
         skip=PINV),
    case("matrix_exp", F.matrix_exp, torch.linalg.matrix_exp, one(2, 2), exponential,
         skip={"forward_agrees": "PyTorch's is infinite, or NaN, in bfloat16"}),
    *(case("matrix_power", lambda A, n=n: F.matrix_power(A, n), lambda A, n=n: torch.linalg.matrix_power(A, n), regular,
           title=f"{n}", skip=POWER if n < 0 else {}) for n in (-2, 3)),
]  # fmt: skip
