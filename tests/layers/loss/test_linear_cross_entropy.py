"""Cross entropy of a linear layer: PyTorch's numbers with every option, at every order; and the scores never whole."""

import pytest
import torch
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

import chapter14
import chapter14.functional as F
import chapter14.nn as nn
from chapter14.layers.loss import linear_cross_entropy as linear_entropy

native = torch.nn.functional


@pytest.fixture(autouse=True)
def a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(linear_entropy, "SCORES", 4 * 7)  # 4 datapoints of 7 classes


def drawn(B=11, N=5, C=7, dtype=torch.float64, bias=True):
    torch.manual_seed(14)
    x, W = (torch.randn(shape, dtype=dtype, requires_grad=True) for shape in ((B, N), (C, N)))
    return x, W, torch.randn(C, dtype=dtype, requires_grad=True) if bias else None


def together(x, W, b, y, **options):
    """What it is."""
    return native.cross_entropy(native.linear(x, W, b), y, **options)


def in_parts(x, W, b, y, **options):
    return F.linear_cross_entropy(x, W, y, linear_bias=b, **options)


WEIGHT = torch.linspace(0.5, 2, 7, dtype=torch.float64)
OPTIONS = {
    "plain": {}, "weighted": {"weight": WEIGHT}, "one ignored": {"ignore_index": 2},
    "smoothed": {"label_smoothing": 0.3},
    "all": {"weight": WEIGHT, "ignore_index": 2, "label_smoothing": 0.3}, "even": {"label_smoothing": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("target", ["classes", "probabilities"])
@pytest.mark.parametrize("bias", [True, False], ids=["b", "no b"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", OPTIONS)
def test_equals_cross_entropy_of_linear_with_every_option(options, reduction, bias, target):
    options, inputs = OPTIONS[options] | {"reduction": reduction}, drawn(bias=bias)
    y = torch.randint(7, (11,))
    if target == "probabilities":
        y = torch.rand(11, 7, dtype=torch.float64)
        options = {name: value for name, value in options.items() if name != "ignore_index"}
    given = [t for t in inputs if t is not None]
    ours, theirs = in_parts(*inputs, y, **options), together(*inputs, y, **options)
    g = torch.randn_like(theirs)
    assert_close(ours, theirs)
    assert_close(grad(ours, given, g), grad(theirs, given, g))
    assert_close(in_parts(*[t if t is None else t.detach() for t in inputs], y, **options), theirs.detach())


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("options", ["plain", "all"])
def test_derivatives_of_every_order(options, reduction):
    inputs, y = drawn(B=6, N=3), torch.tensor([0, 2, 3, 6, 2, 1])

    def f(x, W, b):
        return in_parts(x, W, b, y, **OPTIONS[options], reduction=reduction)

    assert gradcheck(f, inputs) and gradgradcheck(f, inputs)
    assert gradcheck(f, inputs, check_forward_ad=True, check_backward_ad=False)
    thirds = []
    for of in (in_parts, together):
        g = grad(of(*inputs, y, **OPTIONS[options]), inputs, create_graph=True)
        g = grad(sum(t.square().sum() for t in g), inputs, create_graph=True)
        thirds.append(grad(sum(t.sin().sum() for t in g), inputs))
    assert_close(*thirds)


def test_audit_torch_func_and_vmap():
    inputs, y = drawn(), torch.randint(7, (11,))
    J = in_parts(*inputs, y)
    assert chapter14.audit(J).fraction == 1 and J.grad_fn.name() == "LinearCrossEntropyBackward"
    assert_close(torch.func.grad(in_parts, (0, 1, 2))(*inputs, y), grad(together(*inputs, y), inputs))
    each = torch.func.vmap(torch.func.grad(lambda x, y: in_parts(x, *inputs[1:], y)))(inputs[0], y)
    assert_close(each, grad(together(*inputs, y, reduction="sum"), inputs[0])[0])
    J = in_parts(*inputs, y, reduction="sum")
    rows = grad(J, inputs[0], torch.eye(3, 1)[:, 0], is_grads_batched=True)[0]
    assert_close(rows[0], grad(together(*inputs, y, reduction="sum"), inputs[0])[0])


def test_only_required_gradients_are_computed():
    inputs, y = drawn(), torch.randint(7, (11,))
    for i in range(3):
        given = [t if j == i else t.detach() for j, t in enumerate(inputs)]
        J = in_parts(*given, y)
        assert sum(t is not None for t in J.grad_fn.saved_tensors[-3:]) == 1
        assert_close(grad(J, inputs[i], retain_graph=True), grad(together(*given, y), inputs[i]))
        assert_close(*(grad(J, inputs[i], torch.tensor(g), retain_graph=True)[0] / g for g in (2.0, 3.0)))


def test_large_scores_stay_exact():
    x = torch.tensor([[1.0], [-1.0], [300.0]], requires_grad=True)
    W, y = torch.tensor([[1e3], [-1e3], [0.0]], requires_grad=True), torch.tensor([1, 2, 0])
    for reduction in ("mean", "none"):
        ours, theirs = in_parts(x, W, None, y, reduction=reduction), together(x, W, None, y, reduction=reduction)
        assert_close(ours, theirs)
        g = torch.ones_like(theirs)
        assert_close(grad(ours, (x, W), g), grad(theirs, (x, W), g))


def test_all_targets_ignored_and_empty_batch():
    inputs = drawn()
    y = torch.full((11,), -100)
    assert in_parts(*inputs, y).isnan() and in_parts(*inputs, y, reduction="sum") == 0
    assert_close(grad(in_parts(*inputs, y, reduction="sum"), inputs), [torch.zeros_like(t) for t in inputs])
    x, W, b = drawn(B=0)
    for reduction in ("sum", "none"):
        J = in_parts(x, W, b, y[:0], reduction=reduction)
        assert_close(J, together(x, W, b, y[:0], reduction=reduction))
        assert grad(J.sum(), W)[0].count_nonzero() == 0
    assert in_parts(x, W, b, y[:0]).isnan()


def test_one_datapoint_without_a_batch():
    x, W, b = drawn(B=1)
    for reduction in ("mean", "none"):
        ours = in_parts(x[0], W, b, torch.tensor(3), reduction=reduction)
        theirs = together(x[0], W, b, torch.tensor(3), reduction=reduction)
        assert_close(ours, theirs)
        assert_close(grad(ours, (x, W, b)), grad(theirs, (x, W, b)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [True, False])
def test_half_precision_error_is_at_most_natives(dtype, autocast):
    inputs, y = drawn(dtype=torch.float32 if autocast else dtype), torch.randint(7, (11,))
    truth = grad(together(*[t.double() for t in inputs], y), inputs)
    found = []
    for of in (in_parts, together):
        with torch.autocast("cpu", dtype, enabled=autocast):
            J = of(*inputs, y)
        found.append((J, grad(J, inputs)))
    (J, ours), (J_native, theirs) = found
    assert J.dtype == J_native.dtype and [t.dtype for t in ours] == [t.dtype for t in theirs]
    for a, b, t in zip(ours, theirs, truth, strict=True):
        assert (a - t).norm() <= 1.5 * (b - t).norm() + 1e-3 * t.norm()


class Largest(TorchDispatchMode):
    """The most entries that any tensor had."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        for t in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(t, torch.Tensor) and t.stride() and 0 not in t.stride():
                self.entries = max(self.entries, t.numel())
        return made


@pytest.mark.parametrize("target", ["classes", "probabilities"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", OPTIONS)
def test_no_tensor_holds_all_scores(options, reduction, target):
    B, C = 40, 7
    (x, W, b), options = drawn(B=B), OPTIONS[options] | {"reduction": reduction}
    y = torch.randint(C, (B,))
    if target == "probabilities":
        y, options = torch.rand(B, C, dtype=torch.float64), {k: v for k, v in options.items() if k != "ignore_index"}
    for f, most in ((in_parts, B * 5), (together, B * C)):  # x [B, 5] is the largest that is left
        with Largest() as largest:
            J = f(x, W, b, y, **options)
            grad(J, (x, W, b), torch.ones_like(J))
        assert largest.entries == most


def test_saves_less_memory_with_many_classes():
    x, W, b = drawn(B=200, N=5, C=100)
    y = torch.randint(100, (200,))
    ours, theirs = (chapter14.saved_bytes(f, x, W, b, y).total for f in (in_parts, together))
    assert ours < theirs / 5


@pytest.mark.skipif(not hasattr(torch.nn, "LinearCrossEntropyLoss"), reason="this torch has no LinearCrossEntropyLoss")
def test_module():
    torch.manual_seed(14)
    theirs = torch.nn.LinearCrossEntropyLoss(5, 7, label_smoothing=0.1)
    ours = nn.LinearCrossEntropyLoss(5, 7, label_smoothing=0.1)
    ours.load_state_dict(theirs.state_dict())
    x, y = torch.randn(11, 5), torch.randint(7, (11,))
    J = [f(x, y) for f in (ours, theirs)]
    assert_close(*J)
    assert_close(*(grad(j, list(f.parameters())) for j, f in zip(J, (ours, theirs), strict=True)))


def test_invalid_arguments():
    x, W, b = drawn()
    with pytest.raises(ValueError, match="it expects input \\[B, N\\], linear_weight"):
        in_parts(x, W[:, :4], b, torch.zeros(11, dtype=torch.long))
    with pytest.raises(ValueError, match="target \\[B, \\*\\]"):
        in_parts(x, W, b, torch.zeros(3, dtype=torch.long))
    with pytest.raises(RuntimeError, match="label_smoothing is in"):
        in_parts(x, W, b, torch.zeros(11, dtype=torch.long), label_smoothing=2)
    with pytest.raises(ValueError, match="reduction is"):
        in_parts(x, W, b, torch.zeros(11, dtype=torch.long), reduction="median")
    with pytest.raises(RuntimeError, match="out of bounds"):
        in_parts(x, W, b, torch.full((11,), 9))
