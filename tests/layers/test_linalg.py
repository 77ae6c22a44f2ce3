"""Functions of matrices where they are ill-defined, or nearly: singular ones, repeated eigenvalues, options."""

import pytest
import torch
from torch.autograd import grad, gradcheck
from torch.testing import assert_close

import chapter14.functional as F
from chapter14.conversion.by_hand import by_hand

from ..cases.linalg import det

SINGULAR = {
    "rank 2": [[1.0, 2, 3], [4, 5, 6], [5, 7, 9]],
    "rank 2, but for rounding": [[1.0, 2, 3], [4, 5, 6], [7, 8, 9]],
    "a row of zeros": [[1.0, 2, 3], [0, 0, 0], [7, 8, 1]],
    "rank 1": [[1.0, 2, 3], [2, 4, 6], [3, 6, 9]],
    "rank 0": [[0.0, 0, 0], [0, 0, 0], [0, 0, 0]],
    "orthogonal": [[0.0, 1, 0], [1, 0, 0], [0, 0, -1]],
}


def matrix(rows):
    return torch.tensor(rows, dtype=torch.float64, requires_grad=True)


def derivatives(f, A):
    """The gradient of f, and that of a quantity made of it."""
    (once,) = grad(f(A), A, create_graph=True)
    weights = torch.arange(1.0, A.numel() + 1, dtype=A.dtype).view(A.shape)
    return once, *grad((once * weights).sum() + once.square().sum(), A)


@pytest.mark.parametrize("rows", SINGULAR.values(), ids=SINGULAR)
def test_det_is_a_polynomial(rows):
    assert_close(derivatives(F.det, matrix(rows)), derivatives(det, matrix(rows)), rtol=1e-10, atol=1e-12)


def test_det_of_singular_matrices_beside_others():
    A = torch.stack([matrix(rows) for rows in SINGULAR.values()]).detach().requires_grad_()
    assert_close(grad(F.det(A).sum(), A), grad(det(A).sum(), A), rtol=1e-10, atol=1e-12)
    ours = torch.func.vmap(torch.func.grad(F.det))(A.detach())
    assert_close(ours, torch.func.vmap(torch.func.grad(det))(A.detach()), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("upper", [False, True])
def test_only_the_triangle_read_has_a_gradient(upper):
    A, B = matrix([[2.0, 0.3, 0.1], [0.5, 3, 0.2], [-0.4, 0.6, 4]]), matrix([[1.0], [2], [3]])
    with by_hand(strict=True):
        gradcheck(lambda A, B: torch.cholesky_solve(B, A, upper), (A, B), check_forward_ad=True)
        gradcheck(lambda A: torch.cholesky_inverse(A, upper), A, check_forward_ad=True)
        for transpose in (False, True):
            gradcheck(lambda A, B, t=transpose: torch.triangular_solve(B, A, upper, t)[0], (A, B))
    beyond = A.detach().tril(-1) if upper else A.detach().triu(1)
    (g_in,) = grad(F.cholesky_inverse(A, upper).sum(), A)
    assert not g_in[beyond != 0].any()


def test_cholesky_of_an_indefinite_matrix():
    A = matrix([[1.0, 2], [2, 1]])
    with by_hand(strict=True):
        assert torch.linalg.cholesky_ex(A).info == 2
        with pytest.raises(torch.linalg.LinAlgError):
            torch.linalg.cholesky(A)
        with pytest.raises(torch.linalg.LinAlgError):
            torch.linalg.cholesky_ex(A, check_errors=True)


REPEATED = torch.eye(3, dtype=torch.float64)


@pytest.mark.parametrize("f", [torch.linalg.eigh, lambda A: torch.linalg.svd(A)[::-1][1:], torch.linalg.svdvals,
                               torch.linalg.eigvalsh], ids=["eigh", "svd", "svdvals", "eigvalsh"])  # fmt: skip
@pytest.mark.parametrize("A", [REPEATED, 0 * REPEATED], ids=["repeated", "zeros"])
def test_repeated_eigenvalues_have_a_gradient(f, A):
    A = A.clone().requires_grad_()
    results = []
    for strict in (True, False):
        with by_hand(strict=True) if strict else torch.enable_grad():
            values = f(A)
        values = values if isinstance(values, torch.Tensor) else values[0]
        results.append(grad((values * values.cos()).sum(), A))
    assert_close(*results)


@pytest.mark.parametrize("f", [F.eigvalsh, F.svdvals], ids=["eigvalsh", "svdvals"])
def test_repeated_eigenvalues_have_no_second_derivative(f):
    """It is 6 G here, of any G; by way of vectors, it is 0 / 0."""
    A = REPEATED.clone().requires_grad_()
    (once,) = grad((f(A) ** 3).sum(), A, create_graph=True)
    (twice,) = grad((once * torch.arange(9.0).view(3, 3)).sum(), A)
    assert not twice.isfinite().all()


def test_eigenvectors_of_repeated_eigenvalues_have_no_gradient():
    A = REPEATED.clone().requires_grad_()
    for f in (F.eigh, lambda A: F.svd(A)[::-1]):
        (g_in,) = grad((f(A)[-1] * torch.arange(9.0).view(3, 3)).sum(), A)
        assert not g_in.isfinite().all()


def test_only_the_named_triangle_is_read():
    A = matrix([[2.0, 9, 9], [0.5, 3, 9], [-0.4, 0.6, 4]])
    for f in (F.eigh, lambda A, UPLO: (F.eigvalsh(A, UPLO),)):
        assert_close(f(A.mT, UPLO="U")[0], f(A, UPLO="L")[0])


def test_singular_inverse_fails():
    A = torch.stack([matrix([[1.0, 2], [2, 4]]), matrix([[1.0, 2], [3, 4]])]).detach().requires_grad_()
    with by_hand(strict=True):
        x, info = torch.linalg.inv_ex(A)
        solved, failed = torch.linalg.solve_ex(A, A)
        with pytest.raises(torch.linalg.LinAlgError):
            torch.linalg.inv(A)
        with pytest.raises(torch.linalg.LinAlgError):
            torch.linalg.solve(A, A)
    assert info.tolist() == failed.tolist() == [2, 0]
    assert_close(grad(x[1].sum(), A)[0][1], grad(torch.linalg.inv(A[1]).sum(), A)[0][1])
    assert_close(solved[1], torch.eye(2, dtype=torch.float64))
