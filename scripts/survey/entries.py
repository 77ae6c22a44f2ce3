"""What the survey checks: a Function of a library, the inputs to call it with, and what to compare it with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Entry:
    """A Function, and how it is checked.

    Attributes:
        library: its name in the package index.
        where: "MODULE:NAME".
        inputs, like, on_purpose: as in `chapter14.check`.
        call: (Function) → the function of tensors to check, where the Function takes other arguments than `inputs`.
        note: what distinguishes it from another entry of the same Function.
    """

    library: str
    where: str
    inputs: str | Callable
    like: Callable | None = None
    on_purpose: str = ""
    call: Callable | None = None
    note: str = ""

    @property
    def name(self) -> str:
        name = self.where.partition(":")[2]
        return f"{name}, {self.note}" if self.note else name


def with_constants(*constants, shape=(4,)) -> Callable:
    """Draws one tensor, a batch of `shape`, and appends the constants."""
    return lambda draw, n: (draw(n, *shape), *constants)


def positive(t: Tensor) -> Tensor:
    return t.detach().exp().requires_grad_()


def sparsemax(x: Tensor, dim: int = -1, k: None = None) -> Tensor:
    """The projection of x onto the simplex, in operations that autograd differentiates."""
    ordered = x.sort(dim, descending=True).values.movedim(dim, -1)
    sums, k = ordered.cumsum(-1) - 1, torch.arange(1, x.shape[dim] + 1, device=x.device)
    count = (k * ordered > sums).sum(-1, keepdim=True)
    return torch.relu(x.movedim(dim, -1) - sums.gather(-1, count - 1) / count).movedim(-1, dim)


def target_class(draw: Callable, n: int) -> tuple:
    return draw(n, 6), torch.arange(n) % 6, None


def with_alpha(draw: Callable, n: int) -> tuple:
    return draw(n, 6), (1.3 + draw(n, 1).detach().sigmoid()).requires_grad_(), -1, 50, True


ENTMAX = [
    Entry("entmax", "entmax.activations:SparsemaxFunction", with_constants(-1, None, shape=(6,)), sparsemax),
    Entry("entmax", "entmax.activations:Entmax15Function", with_constants(-1, None, shape=(6,))),
    Entry("entmax", "entmax.losses:SparsemaxLossFunction", target_class),
    Entry("entmax", "entmax.losses:Entmax15LossFunction", target_class),
    Entry("entmax", "entmax.losses:EntmaxBisectLossFunction",
          lambda draw, n: (draw(n, 6), torch.arange(n) % 6, 1.5, 50)),
    Entry("entmax", "entmax.root_finding:EntmaxBisectFunction", with_constants(1.5, -1, 50, True, shape=(6,))),
    Entry("entmax", "entmax.root_finding:EntmaxBisectFunction", with_alpha, note="α learned"),
    Entry("entmax", "entmax.root_finding:SparsemaxBisectFunction", with_constants(-1, 50, True, shape=(6,)),
          lambda x, dim, *_: sparsemax(x, dim)),
    Entry("entmax", "entmax.root_finding:NormmaxBisectFunction", with_constants(2, -1, 50, shape=(6,))),
    Entry("entmax", "entmax.root_finding:BudgetBisectFunction", with_constants(2, -1, 50, shape=(6,))),
]  # fmt: skip

SPARSEMAX = [
    Entry("sparsemax", "sparsemax.sparsemax:SparsemaxFunction", with_constants(-1, shape=(6,)), sparsemax),
    Entry("sparsemax", "sparsemax.sparsemax:SparsemaxFunction", with_constants(1, shape=(6, 2)), sparsemax,
          note="three axes"),
]  # fmt: skip

SNNTORCH = [
    Entry("snntorch", f"snntorch.surrogate:{name}", with_constants(*constants), lambda x, *_: (x > 0).float(),
          on_purpose="surrogate")
    for name, constants in (
        ("StraightThroughEstimator", ()), ("Triangular", (1,)), ("FastSigmoid", (25,)), ("ATan", (2.0,)),
        ("Heaviside", ()), ("Sigmoid", (25,)), ("SpikeRateEscape", (1, 25)), ("LeakySpikeOperator", (0.1,)),
        ("SparseFastSigmoid", (25, 1)))
] + [
    Entry("snntorch", "snntorch.functional.quant:StateQuant", with_constants(torch.linspace(-2, 2, 9)),
          on_purpose="straight-through"),
]  # fmt: skip

NORSE = [
    Entry("norse", f"norse.torch.functional.{where}", with_constants(k), lambda x, _: (x > 0).to(x.dtype),
          on_purpose="surrogate")
    for where, k in (
        ("superspike:SuperSpike", 100.0), ("threshold:HeaviErfc", 2.0), ("threshold:HeaviTanh", 2.0),
        ("threshold:HeaviCirc", 0.5), ("threshold:Triangle", 0.3))
] + [
    Entry("norse", "norse.torch.functional.adjoint.lif_adjoint:LIFFeedForwardAdjointFunction",
          lambda draw, n: (draw(n, 4), draw(n, 4), draw(n, 4)), on_purpose="adjoint of spikes"),
]  # fmt: skip

SPIKINGJELLY = [
    Entry("spikingjelly", f"spikingjelly.activation_based.surrogate:{name}", with_constants(*constants),
          lambda x, *_: (x >= 0).to(x), on_purpose="surrogate")
    for name, constants in (
        ("piecewise_quadratic", (1.0,)), ("sigmoid", (4.0,)), ("soft_sign", (2.0,)), ("atan", (2.0,)), ("erf", (2.0,)),
        ("piecewise_leaky_relu", (1.0, 0.01)), ("s2nn", (4.0, 1.0)), ("q_pseudo_spike", (1.5,)),
        ("leaky_k_relu", (0.1, 1.0)), ("log_tailed_relu", (0.1,)))
] + [
    Entry("spikingjelly", f"spikingjelly.activation_based.quantize:{name}", with_constants(*constants), like, word)
    for name, constants, like, word in (
        ("RoundATGF", (), torch.round, "straight-through"),
        ("ClampATGF", (-0.5, 0.5), torch.clamp, ""),
        ("StepQuantizeATGF", (0.5,), lambda x, step: (x / step).round() * step, "straight-through"),
        ("KBitQuantizeATGF", (3,), None, "straight-through"))
] + [
    Entry("spikingjelly", "spikingjelly.activation_based.neuron.dsr:DSRIFNode.DSRIFFunction",
          lambda draw, n: (draw(5, n, 4), 5, positive(draw()), 0.5, 1.0), on_purpose="rate coding"),
    Entry("spikingjelly", "spikingjelly.activation_based.layer.online_learning:ReplaceforGrad", "B N, B N",
          lambda x, x_r: x_r.clone(), on_purpose="replaced"),
]  # fmt: skip

BREVITAS = [
    Entry("brevitas", f"brevitas.ops.autograd_ste_ops:{name}", with_constants(*constants), like, word)
    for name, constants, like, word in (
        ("RoundSteFn", (), torch.round, "straight-through"),
        ("CeilSteFn", (), torch.ceil, "straight-through"),
        ("FloorSteFn", (), torch.floor, "straight-through"),
        ("RoundToZeroSteFn", (), torch.trunc, "straight-through"),
        ("BinarySignSteFn", (), None, "straight-through"),
        ("TernarySignSteFn", (), torch.sign, "straight-through"),
        ("ScalarClampSteFn", (-0.5, 0.5), torch.clamp, "straight-through"),
        ("AbsBinarySignGradFn", (), torch.abs, ""))
]  # fmt: skip


def distances(x1: Tensor, x2: Tensor) -> Tensor:
    return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).square().sum(-1).sqrt()


def points_and_lengthscale(*constants) -> Callable:
    return lambda draw, n: (draw(3, 2).detach(), draw(4, 2).detach(), positive(draw(1, 1)), *constants)


def matern(x1: Tensor, x2: Tensor, lengthscale: Tensor, nu: float, _) -> Tensor:
    d = math.sqrt(2 * nu) * distances(x1 / lengthscale, x2 / lengthscale)
    return {0.5: 1, 1.5: 1 + d, 2.5: 1 + d + d * d / 3}[nu] * (-d).exp()


def lower(t: Tensor) -> Tensor:
    """A lower triangular matrix with a positive diagonal."""
    return t.tril(-1) + t.diagonal(dim1=-2, dim2=-1).exp().diag_embed()


def positive_definite(A: Tensor) -> Tensor:
    return A @ A.mT + torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)


def predictive_updates(L: Tensor, K: Tensor, middle: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    A = torch.linalg.solve_triangular(L, K, upper=False)
    return A.mT @ m, (A * (middle @ A)).sum(-2)


GPYTORCH = [
    Entry("gpytorch", "gpytorch.functions._log_normal_cdf:LogNormalCDF", "B N", torch.special.log_ndtr),
    Entry("gpytorch", "gpytorch.functions.rbf_covariance:RBFCovariance",
          points_and_lengthscale(lambda a, b: distances(a, b).square()),
          lambda a, b, l, _: (-distances(a / l, b / l).square() / 2).exp()),
    *[Entry("gpytorch", "gpytorch.functions.matern_covariance:MaternCovariance",
            points_and_lengthscale(nu, distances), matern, note=f"ν = {nu}") for nu in (0.5, 1.5, 2.5)],
    Entry("gpytorch", "gpytorch.variational.large_batch_variational_strategy:QuadFormDiagonal", "4 4, 4 B",
          lambda A, B: (B * ((A + A.mT) @ B)).sum(-2), note="A symmetric",
          call=lambda f: lambda A, B: f.apply(A + A.mT, B)),
    Entry("gpytorch", "gpytorch.variational.variational_strategy:ComputePredictiveUpdates", "4 4, 4 B, 4 4, 4",
          lambda L, K, M, m: predictive_updates(lower(L), K, M + M.mT, m), note="S symmetric",
          call=lambda f: lambda L, K, M, m: f.apply(lower(L), K, M + M.mT, m)),
]  # fmt: skip


def linear_operator(method: str) -> Callable:
    """A method of the operator of A A^T + I, which calls the Function."""

    def made(_: type) -> Callable:
        from linear_operator import to_linear_operator

        return lambda A, x: getattr(to_linear_operator(positive_definite(A)), method)(x)

    return made


def sparse_matrix(draw: Callable, n: int) -> tuple:
    A = torch.eye(5, dtype=draw(1).dtype).roll(1, 0)[:4] * 3
    return A.to_sparse(), draw(5, n)


LINEAR_OPERATOR = [
    Entry("linear-operator", "linear_operator.functions._matmul:Matmul", "4 4, 4 B",
          lambda A, x: positive_definite(A) @ x, call=linear_operator("matmul")),
    Entry("linear-operator", "linear_operator.functions._solve:Solve", "4 4, 4 B",
          lambda A, x: torch.linalg.solve(positive_definite(A), x), call=linear_operator("solve")),
    Entry("linear-operator", "linear_operator.functions._inv_quad:InvQuad", "4 4, 4 B",
          lambda A, x: (x * torch.linalg.solve(positive_definite(A), x)).sum(), call=linear_operator("inv_quad")),
    Entry("linear-operator", "linear_operator.functions._dsmm:DSMM", sparse_matrix, torch.sparse.mm),
]  # fmt: skip


class Scaled(nn.Module):
    """tanh(w x), a module with one parameter."""

    def __init__(self, w: Tensor):
        super().__init__()
        self.w = nn.Parameter(w.detach())

    def forward(self, x: Tensor) -> Tensor:
        return (self.w * x).tanh()


def additive(x: Tensor, v: Tensor, w: Tensor) -> Tensor:
    x1, x2 = x.chunk(2, 1)
    y1 = x1 + (v * x2).tanh()
    return torch.cat([y1, x2 + (w * y1).tanh()], 1)


MEMCNN = [
    Entry("memcnn", f"memcnn.models.additive:{name}", "B 4, , ", additive,
          call=lambda f: lambda x, v, w: f.apply(x, Scaled(v), Scaled(w), v, w))
    for name in ("AdditiveBlockFunction", "AdditiveBlockFunction2")
]  # fmt: skip


def reversible(f: type) -> Callable:
    from revtorch import ReversibleBlock

    blocks = nn.ModuleList([ReversibleBlock(nn.Tanh(), nn.Softplus(), 1)])
    return lambda x: f.apply(x, blocks, False)


def reversed_like(x: Tensor) -> Tensor:
    x1, x2 = x.chunk(2, 1)
    y1 = x1 + x2.tanh()
    return torch.cat([y1, x2 + nn.functional.softplus(y1)], 1)


def adjoint(_: type) -> Callable:
    """x(1) of dx/dt = tanh(W x), by the adjoint method."""
    from torchdiffeq import odeint_adjoint

    def solved(x: Tensor, W: Tensor) -> Tensor:
        t, steps = torch.tensor([0.0, 1.0], dtype=x.dtype), {"method": "rk4", "options": {"step_size": 0.1}}
        return odeint_adjoint(lambda t, x: (W @ x).tanh(), x, t, adjoint_params=(W,), **steps)[1]

    return solved


def log_softmax_of_target(x: Tensor, target: Tensor, _) -> Tensor:
    return x.log_softmax(1).gather(1, target)


def projection_onto_null_space(f: type) -> Callable:
    """B B^T: the basis itself is one of many."""

    def projected(X: Tensor) -> Tensor:
        B = f.apply(X)[0]
        return B @ B.mT

    return projected


def null_space(X: Tensor) -> Tensor:
    return torch.eye(9, dtype=X.dtype) - torch.linalg.pinv(X) @ X


def log_determinant(f: type) -> Callable:
    """g(x) = tanh(w x), and two terms of the series of log det(I + dg/dx), for the probe that is all ones."""
    from normflows.flows.residual import basic_logdet_estimator

    def estimated(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        probe = torch.ones_like(x)
        return f.apply(basic_logdet_estimator, lambda x: (w * x).tanh(), x, 2, probe, lambda k: 1.0, True, w)

    return estimated


def log_determinant_like(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    g = (w * x).tanh()
    slope = w * (1 - g * g)
    return g, (slope - slope.square() / 2).sum(-1)


OTHERS = [
    Entry("normflows", "normflows.flows.residual:MemoryEfficientLogDetEstimator", "B 4, ", log_determinant_like,
          call=log_determinant),
    Entry("revtorch", "revtorch.revtorch:_ReversibleModuleFunction", "B 4", reversed_like, call=reversible),
    Entry("torchdiffeq", "torchdiffeq._impl.adjoint:OdeintAdjointMethod", "2, 2 2", call=adjoint),
    Entry("torchdiffeq", "torchdiffeq._impl.misc:_StitchGradient", "B N, B N", lambda x, out: out.clone(),
          on_purpose="of another input"),
    Entry("kornia", "kornia.losses.focal:_TargetLogSoftmax",
          lambda draw, n: (draw(n, 6), (torch.arange(n) % 6)[:, None], None), log_softmax_of_target),
    Entry("kornia", "kornia.geometry.epipolar.essential:_NullSpaceBasis", "B 5 9", null_space,
          call=projection_onto_null_space, note="B Bᵀ"),
    Entry("diffsort", "diffsort.functional:NormalCDF", with_constants(0.5),
          lambda x, sigma: torch.special.ndtr(x / sigma)),
    Entry("difftopk", "difftopk.functional:NormalCDF", with_constants(0.5),
          lambda x, sigma: torch.special.ndtr(x / sigma)),
    Entry("e3nn", "e3nn.math._soft_unit_step:_SoftUnitStep", "B N",
          lambda x: torch.where(x > 0, (-1 / torch.where(x > 0, x, 1)).exp(), 0)),
    Entry("compressai", "compressai.layers.layers:QReLU", with_constants(8, 100), lambda x, *_: x.clamp(0, 255),
          on_purpose="surrogate"),
    Entry("compressai", "compressai.ops.bound_ops:LowerBoundFunction", with_constants(torch.tensor(0.1)),
          lambda x, bound: x.clamp_min(float(bound)), on_purpose="clamp that lets x return"),
    Entry("pytorch-revgrad", "pytorch_revgrad.functional:RevGrad", with_constants(torch.tensor(0.5)),
          lambda x, _: x.clone(), on_purpose="gradient reversal"),
    Entry("geomloss", "geomloss._legacy.kernel_samples:DoubleGrad", "B N", torch.clone, on_purpose="doubled"),
    Entry("optimum-quanto", "optimum.quanto.tensor.function:QuantizedLinearFunction", "B 3 N, M N, M",
          nn.functional.linear),
]  # fmt: skip

#: In the order of the page.
ENTRIES = [*ENTMAX, *SPARSEMAX, *GPYTORCH, *LINEAR_OPERATOR, *MEMCNN, *SNNTORCH, *NORSE, *SPIKINGJELLY, *BREVITAS,
           *OTHERS]  # fmt: skip
