"""What `check` says: its first line, what follows from what, what is unsupported, and of whose functions."""

import json
import warnings

import pytest
import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional as native

import chapter14
import chapter14.functional as F
from chapter14.checking.case import Case
from chapter14.checking.checks import CHECKS, FOLLOWS, QUICK
from chapter14.checking.report import ChecksFailed, Report, Verdict, verdict
from chapter14.checking.subject import make_case

from ..small_layers import Product, RoundStraight


def report(f, inputs, like=None, **options):
    try:
        return chapter14.check(f, inputs, like, quick=True, **options)
    except ChecksFailed as failed:
        return failed.report


def results(report):
    return {v.check: v.result for v in report.verdicts}


class Affine(Function):
    """x_out = x W^T + b, as a student writes it: right, of first order, with no more than it takes."""

    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W.T + b

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W, g.T @ x, g.sum(0)


class BiasNotSummed(Affine):
    @staticmethod
    def backward(ctx, g):
        return *Affine.backward(ctx, g)[:2], g


class Transposed(Affine):
    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W, x.T @ g, g.sum(0)


class MeanForgotten(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return (x - y).square().sum(-1).mean()

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return 2 * g * (x - y), 2 * g * (y - x)


class OtherSide(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.relu()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x < 0)


class TanhOfX(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (1 - x * x)


class Silu(Function):
    """PyTorch's silu is one operation, so that only this forward pass shows the two terms."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].sigmoid()


class SiluWithContext(Silu):
    @staticmethod
    def forward(x):
        return x * x.sigmoid()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)


AFFINE = "B 4, 4 4, 4"
STUDENTS = [
    (BiasNotSummed, AFFINE, native.linear, "dJ/db is not summed over axis 0, where b branches (14.46)"),
    (Transposed, AFFINE, native.linear,
     "dJ/dW is transposed: it equals the right one when its axes are swapped (14.29)"),
    (MeanForgotten, "B N, B N", lambda x, y: (x - y).square().sum(-1).mean(),
     "dJ/dx is the right one times the size of the batch: a mean is differentiated as a sum (14.11); likewise dJ/dy"),
    (OtherSide, "B N", torch.relu, "dJ/dx has the mask of the other side: g_out passes where it should not, and not "
     "where it should (14.33)"),
    (TanhOfX, "B N", torch.tanh, "dJ/dx reads x in the place of x_out"),
    *[(f, "B N", native.silu, "dJ/dx lacks a term: it equals the right one without what comes back through `sigmoid` "
       "(14.46)") for f in (Silu, SiluWithContext)],
]  # fmt: skip


@pytest.mark.parametrize("f, inputs, like, says", STUDENTS, ids=[s[0].__name__ for s in STUDENTS])
@pytest.mark.parametrize("compared", [True, False], ids=["with a reference", "without"])
def test_the_first_line_names_the_mistake(f, inputs, like, says, compared):
    first, *_ = str(report(f, inputs, like if compared else None)).splitlines()
    assert first.startswith(f"{f.__name__}  WRONG: {says} (")


def test_the_error_begins_with_the_verdict():
    with pytest.raises(ChecksFailed, match=r"^Transposed  WRONG: dJ/dW is transposed"):
        chapter14.check(Transposed, AFFINE, native.linear, quick=True)


def test_a_right_function_is_right_and_what_it_lacks_is_unsupported():
    of = report(Affine, AFFINE, native.linear)
    assert str(of).startswith("Affine  right: ") and not of.wrong
    assert {v.check: v.reason.partition(":")[0] for v in of.verdicts if v.result == "unsupported"} == {
        "forward_mode_agrees": "it has no `jvp`, so forward mode raises (torch.func.jvp, jacfwd, hessian)",
        "complex_inputs": "it is not for complex numbers, and gradients of them are wrong or raise",
        "wrong_shapes": "inputs whose shapes do not fit are not refused as the reference refuses them",
        "autocast_agrees": "under autocast it does otherwise than the reference",
        "memory_needed_gradients_only": "it computes gradients that nobody asks for",
        "memory_at_most_native": "it saves more than it needs",
    }
    reason = next(v.reason for v in of.verdicts if v.check == "complex_inputs")
    assert "dJ/dx is g L, and for complex numbers should be g L*" in reason
    assert results(report(Affine.apply, AFFINE, native.linear)) == results(of)


def test_of_a_layer_nothing_is_unsupported():
    """It promises every mode: what it lacks is wrong."""

    class Doubled(chapter14.Layer):
        @staticmethod
        def forward(x):
            return 2 * x

        @staticmethod
        def backward(needs, g):
            return (F.mul(g, 2),)

        @staticmethod
        def remember(needs, inputs, x_out):
            return ()

    of = results(report(Doubled, "B N"))
    assert of["forward_mode_agrees"] == of["finite_differences"] == "WRONG"
    assert of["backward_agrees"] == "right" and "unsupported" not in of.values()


def test_torch_func_is_unsupported_without_setup_context():
    checks = {check.__name__: check for check in CHECKS}
    for name in ("mixed_mode_orders", "per_datapoint_gradients"):
        of = verdict(make_case(Affine, AFFINE, native.linear), checks[name])
        assert (of.result, of.reason) == (
            "unsupported", "it has no `setup_context`, so torch.func raises (grad, vmap, jacrev, hessian)"
        )  # fmt: skip


@pytest.mark.parametrize(
    "jvp, says",
    [
        (lambda dx, dw, x, w: F.mul(F.add(F.mul(dx, w), F.mul(x, dw)), 2), "is 2 times the right one"),
        (lambda dx, dw, x, w: F.sub(F.mul(x, dw), F.mul(dx, w)), "has the wrong sign"),
        (lambda dx, dw, x, w: F.mul(x, dw), "is zero"),
        (lambda dx, dw, x, w: F.add(F.mul(dx, x), F.mul(x, dw)), "is wrong: an entry is "),
    ],
)
def test_a_wrong_jvp_is_named(jvp, says):
    class Pushed(Product):
        @staticmethod
        def jvp(tangents, x, w):
            dx, dw = (torch.zeros_like(x) if t is None else t for t in tangents)
            return jvp(dx, dw, x, w)

    of = report(Pushed, "B N, B N")
    assert str(of).startswith(f"Pushed  WRONG: jvp: the tangent by x {says}")
    assert [v.check for v in of.causes] == ["finite_differences"]


class Exp(Function):
    """With all that PyTorch has for a Function. Nested forward mode is wrong all the same, and none of its fault."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, dx):
        return dx * ctx.saved_tensors[0]


class ExpPushedWrong(Exp):
    @staticmethod
    def jvp(ctx, dx):
        return 2 * dx * ctx.saved_tensors[0]


def test_nested_forward_mode_is_a_fault_of_pytorch():
    checks = {check.__name__: check for check in CHECKS}
    of = verdict(make_case(Exp, "B N", torch.exp), checks["mixed_mode_orders"])
    assert of.result == "right" or (of.result == "unsupported" and "pytorch#197867" in of.reason)
    assert verdict(make_case(ExpPushedWrong, "B N", torch.exp), checks["mixed_mode_orders"]).result == "WRONG"
    assert not report(Exp, "B N", torch.exp).wrong


class Once(Affine):
    backward = staticmethod(once_differentiable(Affine.backward))


class Detached(Function):
    """Its second derivative is zero, silently."""

    @staticmethod
    def forward(ctx, x):
        ctx.x = x.detach()
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.x


def test_second_derivatives_that_raise_are_unsupported_and_those_that_are_zero_wrong():
    checks = {check.__name__: check for check in CHECKS}
    second = checks["finite_differences_second_order"]
    of = verdict(make_case(Once, AFFINE), second)
    assert (of.result, of.reason) == (
        "unsupported",
        "it is once_differentiable, so second derivatives raise, or are zero",
    )
    of = verdict(make_case(Detached, "B N"), second)
    assert of.result == "WRONG"
    assert of.reason == (
        "the second derivative by x is zero: `backward` computes with a result that is detached, or without a graph"
    )


class RefusesGraph(Affine):
    @staticmethod
    def backward(ctx, g):
        if g.requires_grad:
            raise AssertionError("g must not require a gradient")
        return Affine.backward(ctx, g)


def test_second_derivatives_that_a_function_refuses_are_unsupported():
    of = report(RefusesGraph, AFFINE, native.linear)
    (reason,) = [v.reason for v in of.verdicts if v.check == "finite_differences_second_order"]
    assert reason == "second derivatives raise: g must not require a gradient" and not of.wrong


@torch.library.custom_op("chapter14_tests::scaled", mutates_args=())
def scaled(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x * w


def _saved(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


scaled.register_autograd(lambda ctx, g: (g * ctx.saved_tensors[1], g * ctx.saved_tensors[0]), setup_context=_saved)


@torch.library.custom_op("chapter14_tests::exchanged", mutates_args=())
def exchanged(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x * w


exchanged.register_autograd(lambda ctx, g: (g * ctx.saved_tensors[0], g * ctx.saved_tensors[1]), setup_context=_saved)


def test_an_operator_of_torch_library():
    assert not report(scaled, "B N, B N", torch.mul).wrong
    says = "WRONG: dJ/dx is what dJ/dw should be: the gradients are returned in another order than the inputs"
    assert says in str(report(exchanged, "B N, B N", torch.mul)).splitlines()[0]
    assert says in str(report(torch.ops.chapter14_tests.exchanged, "B N, B N")).splitlines()[0]


class WithAffine(nn.Linear):
    def __init__(self, function):
        super().__init__(4, 4)
        self.function = function

    def forward(self, x):
        return self.function.apply(x, self.weight, self.bias)


def test_a_module_with_its_parameters():
    assert not report(WithAffine(Affine), "B 4", nn.Linear(4, 4)).wrong
    assert "dJ/dweight is transposed" in str(report(WithAffine(Transposed), "B 4", native.linear)).splitlines()[0]


def test_a_function_that_calls_several():
    def f(x, W, b):
        return Transposed.apply(x, W, b).tanh()

    assert "f  WRONG: dJ/dW is transposed" in str(report(f, AFFINE)).splitlines()[0]


class InFloat32(Function):
    """A kernel that knows float32 only; `factor` makes its derivative wrong."""

    factor = 1

    @classmethod
    def forward(cls, ctx, x):
        assert x.dtype == torch.float32
        ctx.save_for_backward(x)
        return x * x

    @classmethod
    def backward(cls, ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * cls.factor * g * x


class WrongInFloat32(InFloat32):
    factor = 2


class CastsToFloat32(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.float().sin()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.float().cos()


@pytest.mark.parametrize("like", [None, torch.square])
def test_a_kernel_for_float32_alone(like):
    assert not report(InFloat32, "B N", like).wrong
    assert "dJ/dx is 2 times the right one" in str(report(WrongInFloat32, "B N", torch.square)).splitlines()[0]
    assert report(WrongInFloat32, "B N").wrong


def test_a_function_that_casts_to_float32():
    of = report(CastsToFloat32, "B N")
    assert not of.wrong and results(of)["raw_gradients"] == "unsupported"


def test_a_lambda_has_the_name_of_its_function():
    assert str(report(lambda x: InFloat32.apply(x), "B N")).startswith("InFloat32  right")


class RoundUnsummed(RoundStraight):
    @staticmethod
    def forward(ctx, x, b):
        return (x + b).round()

    @staticmethod
    def backward(ctx, g):
        return g, g


def test_a_backward_that_is_no_derivative_on_purpose():
    assert "WRONG: dJ/dx" in str(report(RoundStraight, "B N", torch.round)).splitlines()[0]
    of = report(RoundStraight, "B N", torch.round, on_purpose="straight-through")
    assert not of.wrong
    reason = next(v.reason for v in of.verdicts if v.check == "backward_agrees")
    assert reason == "its backward is no derivative on purpose: straight-through"
    says = str(report(RoundUnsummed, "B N, N", on_purpose="straight-through")).splitlines()[0]
    assert "dJ/db is not summed over axis 0" in says


class Spike(Function):
    """Its backward pass reads its output, so that the second derivative has the surrogate as a factor once more."""

    @staticmethod
    def forward(ctx, x):
        x_out = (x > 0).to(x.dtype)
        ctx.save_for_backward(x_out)
        return x_out

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


def test_finite_differences_know_nothing_of_a_surrogate_in_the_backward_pass():
    of = report(Spike, "B N", on_purpose="surrogate")
    assert not of.wrong and results(of)["finite_differences_second_order"] == "-"


class GradientOfAConstant(Function):
    @staticmethod
    def forward(ctx, x, c):
        return c * x.float()

    @staticmethod
    def backward(ctx, g):
        return g, g.sum()


def test_a_gradient_of_what_is_no_tensor():
    of = report(GradientOfAConstant, lambda draw, n: (draw(n, 4), 3.0))
    (cause,) = of.causes
    assert cause.check == "raw_gradients" and "different than None at position 2" in cause.reason


class Flattened(Function):
    """It takes any strides of x, and of g only those that can be viewed as one axis."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g.view(-1).view(g.shape)


def test_a_backward_that_needs_a_contiguous_g():
    of = report(Flattened, "B N")
    assert [v.check for v in of.causes] == ["memory_layouts"] and "view size is not compatible" in of.causes[0].reason


def test_a_reference_that_does_not_take_bfloat16():
    def like(x):
        return torch.linalg.pinv(x)

    assert not report(lambda x: like(x), "4 4", like).wrong


def test_what_follows_is_folded_into_its_cause():
    of = report(Transposed, AFFINE, native.linear)
    assert [v.check for v in of.causes] == ["backward_agrees"]
    assert {v.check for v in of.wrong} == {"backward_agrees", "finite_differences"}
    (line,) = [line for line in str(of).splitlines() if "may follow" in line]
    assert line == "Transposed: what follows, or may follow, from that: finite_differences"


def test_each_check_follows_from_earlier_ones_only():
    names = [check.__name__ for check in CHECKS]
    for check, causes in FOLLOWS.items():
        assert all(names.index(cause) < names.index(check) for cause in causes)


def test_a_failure_of_its_own_is_never_folded():
    verdicts = [Verdict("A", check.__name__, "WRONG", "why") for check in CHECKS]
    own = {check.__name__ for check in CHECKS} - FOLLOWS.keys()
    assert {v.check for v in Report(verdicts).causes} == own
    assert {"memory_needed_gradients_only", "memory_at_most_native", "backward_uses_layers_only"} < own


def test_quick_leaves_out_checks_and_changes_none():
    assert set(QUICK) < set(CHECKS)
    quick = results(report(F.relu, "B N", torch.relu))
    assert list(quick) == [check.__name__ for check in QUICK]


def test_no_warnings_of_torch_but_those_of_checks_that_run_alone():
    def warns(case):
        warnings.warn("of torch", stacklevel=1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert verdict(Case(torch.sin, torch.sin, lambda draw, n: (draw(n),)), warns).result == "right"


def test_a_long_error_is_cut():
    def fails(case):
        raise RuntimeError("number " * 1000)

    assert len(verdict(Case(torch.sin, torch.sin, lambda draw, n: (draw(n),)), fails).reason) < 500


def test_json_has_what_the_text_has():
    of = report(Transposed, AFFINE, native.linear)
    read = json.loads(of.json())
    assert not read["right"] and read["causes"][0]["check"] == "backward_agrees"
    assert [v["result"] for v in read["verdicts"]] == [v.result for v in of.verdicts]


@pytest.mark.parametrize("words, shapes", [("B N, M N, M", [(3, 4), (5, 4), (5,)]), ("B 2, ", [(3, 2), ()])])
def test_shapes_in_words(words, shapes):
    assert [tuple(t.shape) for t in make_case(torch.sin, words).draw()] == shapes


def test_shapes_that_are_none():
    with pytest.raises(ValueError, match=r"'\[B' is no axis"):
        make_case(torch.sin, "[B, N]")


def test_memory_is_explained():
    class Both(Product):
        @staticmethod
        def remember(needs, inputs, x_out):
            return inputs

        @staticmethod
        def backward(needs, g, x, w):
            return F.mul(g, w), F.mul(g, x)

    of = {v.check: v.reason for v in report(Both, "B N, B N").wrong}
    assert of["memory_needed_gradients_only"] == (
        "where only x requires a gradient, 2 are computed, and 1 used. `needs` has True for each input that needs one: "
        "`backward` returns None for the others"
    )
    assert "`needs` has True" in of["memory_at_most_native"]


class ScaleOfTwo(chapter14.Layer):
    """x_out = x w, whose jvp forgets that one of the two may have no tangent."""

    @staticmethod
    def forward(x, w):
        return x * w

    @staticmethod
    def backward(needs, g, x, w):
        return F.mul(g, w) if needs[0] else None, F.mul(g, x) if needs[1] else None

    @staticmethod
    def jvp(tangents, x, w):
        return F.add(F.mul(tangents[0], w), F.mul(tangents[1], x))


def test_an_exception_in_a_layer_is_reported_with_its_line_and_a_missing_tangent_is_named():
    reasons = " ".join(v.reason for v in report(ScaleOfTwo, "B N, B N").causes)
    line = ScaleOfTwo.jvp.__code__.co_firstlineno + 2
    assert f"(test_report.py:{line}, in jvp); `jvp` receives None for an input without a tangent" in reasons


class TwiceByHand(chapter14.Layer):
    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def backward(needs, g, x):
        return (2 * g,)

    @staticmethod
    def jvp(tangents, x):
        return F.mul(tangents[0], 2)


def test_a_native_operation_of_a_backward_pass_is_reported_with_where_its_counterpart_is():
    reasons = {v.check: v.reason for v in report(TwiceByHand, "B N").causes}
    says = "the backward pass uses native operations: MulBackward0. Their counterparts are in chapter14.functional"
    assert reasons["backward_uses_layers_only"].startswith(says)
