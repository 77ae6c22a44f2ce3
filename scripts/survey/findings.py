"""What the survey found: each finding in words, and as a few lines that anybody can run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A finding about a library: a heading, what it costs its users, and code that prints it."""

    library: str
    title: str
    words: str
    code: str


FINDINGS = [
    Finding(
        "normflows",
        "normflows: the gradient of log det has the weight of the first datapoint for all of them",
        "`MemoryEfficientLogDetEstimator.backward` reads g_out of datapoint 0 alone. In a mean over the batch all are "
        "equal; in a weighted one they are not: here datapoint 1 alone has a weight. It also overwrites what it saved, "
        "so that a second backward pass raises.",
        """\
import torch
from normflows.flows.residual import MemoryEfficientLogDetEstimator, basic_logdet_estimator

x, probe = torch.ones(2, 1, requires_grad=True), torch.ones(2, 1)
estimator = MemoryEfficientLogDetEstimator.apply
g, log_det = estimator(basic_logdet_estimator, torch.tanh, x, 2, probe, lambda k: 1.0, True)
(log_det * torch.tensor([0.0, 1.0])).sum().backward()
print(x.grad)
s = 1 - torch.tanh(x) ** 2
print(torch.autograd.grad((s - s**2 / 2)[1].sum(), x)[0])  # what it should be""",
    ),
    Finding(
        "entmax",
        "entmax: the second derivative of 1.5-entmax is NaN",
        "`backward` takes the root of a probability, and outside the support that is the root of 0, whose derivative "
        "is infinite. `entmax_bisect` raises 0 to a power with the same end. A gradient penalty is NaN.",
        """\
import torch
from entmax import entmax15

x = torch.tensor([3.0, 0.0, -3.0], requires_grad=True)
print(torch.autograd.functional.hessian(lambda x: entmax15(x)[0], x))""",
    ),
    Finding(
        "entmax",
        "entmax: the second derivative of its losses is zero",
        "`backward` multiplies g_out by p - y, which is saved without its graph. The second derivative is the Jacobian "
        "of the mapping.",
        """\
import torch
from entmax import sparsemax, sparsemax_loss

x, y = torch.tensor([[0.3, 0.1, -0.4]], requires_grad=True), torch.tensor([0])
print(torch.autograd.functional.hessian(lambda x: sparsemax_loss(x, y).sum(), x).view(3, 3))
print(torch.autograd.functional.jacobian(sparsemax, x).view(3, 3))  # what it should be""",
    ),
    Finding(
        "gpytorch",
        "gpytorch: log Φ(z) is off by 0.0018 just below z = -1",
        "An approximation for the tail is used from -1 on, for the value and for its derivative.",
        """\
import torch
from gpytorch.functions import log_normal_cdf

z = torch.tensor([-0.99, -1.01, -2.0, -3.0], dtype=torch.float64)
print(log_normal_cdf(z) - torch.special.log_ndtr(z))""",
    ),
    Finding(
        "gpytorch",
        "gpytorch: the gradient of a lengthscale has the shape of the kernel matrix, and no second derivative",
        "RBFCovariance and MaternCovariance return dJ/dl for each entry, and autograd sums them, so that the value is "
        "right. Its factor is saved without a graph: a second derivative is wrong, without an error.",
        """\
import torch
from gpytorch.functions import RBFCovariance

J = lambda K: K[0, 1].exp()  # of a kernel matrix of two points at distance 1
x, l = torch.tensor([[0.0], [1.0]]), torch.ones(1, 1)
ours = lambda l: J(RBFCovariance.apply(x, x, l, lambda a, b: (a - b.mT).square()))
print(torch.autograd.functional.hessian(ours, l).item())
print(torch.autograd.functional.hessian(lambda l: J((-((x - x.mT) / l).square() / 2).exp()), l).item())""",
    ),
    Finding(
        "gpytorch",
        "gpytorch: QuadFormDiagonal and ComputePredictiveUpdates have wrong second derivatives",
        "They save A B and L⁻¹ K, which are computed in `forward`, so that `backward` reads them as constants. The "
        "Hessian of b'A b is 2A, not 0.",
        """\
import torch
from gpytorch.variational.large_batch_variational_strategy import QuadFormDiagonal

A, b = torch.eye(2), torch.ones(2, 1)
print(torch.autograd.functional.hessian(lambda b: QuadFormDiagonal.apply(A, b).sum(), b).view(2, 2))""",
    ),
    Finding(
        "linear-operator",
        "linear-operator: the second derivative of x'A⁻¹x by x is zero",
        "`InvQuad.backward` reads A⁻¹x as a constant. The Hessian is 2 A⁻¹, not 0. `Solve` beside it is right.",
        """\
import torch
from linear_operator import to_linear_operator

A, x = torch.eye(2), torch.ones(2, 1)
print(torch.autograd.functional.hessian(lambda x: to_linear_operator(A).inv_quad(x), x).view(2, 2))""",
    ),
    Finding(
        "memcnn",
        "memcnn, torchdiffeq and spikingjelly: backward passes without a graph",
        "A reversible block, the adjoint method and DSRIFFunction compute their gradients where no graph is kept. "
        "A second derivative of that alone raises; in a sum it is zero, without an error. Here "
        "J = x(1) + w² with dx/dt = w x, x(0) = 1, so that d²J/dw² = e^w + 2.",
        """\
import torch
from torchdiffeq import odeint, odeint_adjoint

w, one, t = torch.ones(1, requires_grad=True), torch.ones(1), torch.tensor([0.0, 1.0])
for solve, more in (odeint, {}), (odeint_adjoint, {"adjoint_params": (w,)}):
    J = solve(lambda t, x: w * x, one, t, **more)[1] + w**2
    (g,) = torch.autograd.grad(J, w, create_graph=True)
    print(torch.autograd.grad(g, w)[0].item())""",
    ),
    Finding(
        "snntorch",
        "snntorch: two surrogates raise",
        "`LeakySpikeOperator.backward` returns one gradient for two inputs. `surrogate.LSO`, which should call it, "
        "calls another Function with an argument too few.",
        """\
import torch
from snntorch import surrogate

x = torch.ones(3, requires_grad=True)
for f in (lambda x: surrogate.LeakySpikeOperator.apply(x, 0.1), surrogate.LSO(0.1)):
    try:
        f(x).sum().backward()
    except Exception as error:
        print(error)""",
    ),
    Finding(
        "kornia",
        "kornia: a null space's second derivative is wrong",
        "`_NullSpaceBasis.backward` reads the singular vectors as constants. Of B Bᵀ, the projection onto the null "
        "space, the second derivative differs from that of I - X⁺X, the same matrix.",
        """\
import torch
from kornia.geometry.epipolar.essential import _NullSpaceBasis

X = torch.randn(1, 5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(14))
v = torch.arange(9.0, dtype=torch.float64)
for P in (lambda X: (B := _NullSpaceBasis.apply(X)[0]) @ B.mT, lambda X: torch.eye(9) - torch.linalg.pinv(X) @ X):
    J, H = torch.autograd.functional.hvp(lambda X: (P(X) @ v).square().sum(), X, torch.ones_like(X))
    print(J.item(), H.norm().item())""",
    ),
    Finding(
        "optimum-quanto",
        "optimum-quanto: the backward pass of a linear layer needs g_out in one order of memory",
        "`backward` takes a view of g_out. Where the output is transposed before a matmul, as in attention, g_out is "
        "not contiguous, and it raises.",
        """\
import torch
from optimum.quanto.tensor.function import QuantizedLinearFunction

x, W = torch.ones(2, 3, 4), torch.ones(5, 4, requires_grad=True)
try:
    (QuantizedLinearFunction.apply(x, W).mT @ torch.ones(3, 2)).sum().backward()
except RuntimeError as error:
    print(error)""",
    ),
]
