"""Layers that are wrong in one way each, and the check that must catch them: every check has one."""

import pytest
import torch

import chapter14
import chapter14.functional as F
from chapter14.checking.case import Case, NotApplicable
from chapter14.checking.checks import CHECKS
from chapter14.checking.report import ChecksFailed

from ..small_layers import Product


class Right(Product):
    """x_out = x w, with w [4] for each x [n, 4]: what all the others are but for one thing."""

    @staticmethod
    def remember(needs, inputs, x_out):
        return *Product.remember(needs, inputs, x_out), inputs[1].shape

    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.mul(g, w) if needs[0] else None, F.sum_to_size(F.mul(g, x), w_shape) if needs[1] else None


class OffByALittle(Right):
    @staticmethod
    def forward(x, w):
        return x * w + 1e-3


class BackTooFar(Right):
    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.mul(F.mul(g, w), 1.01), F.sum_to_size(F.mul(g, x), w_shape)


class SumForgotten(Right):
    """w branches to every datapoint, and only the first comes back."""

    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.mul(g, w), F.reshape(F.narrow(F.mul(g, x), 0, 0, 1), w_shape)


class NotSummed(Right):
    """autograd sums dJ/dw over the datapoints, so that its value is right."""

    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.mul(g, w) if needs[0] else None, F.mul(g, x) if needs[1] else None


class NoWayBackFromTheWayBack(Right):
    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.mul(g, w.detach()), F.sum_to_size(F.mul(g, x.detach()), w_shape)


class NativeWayBack(Right):
    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return g * w, (g * x).sum(0)


class WayBackInTwoVersions(Right):
    @staticmethod
    def backward_once(needs, g, x, w, w_shape):
        return g * w * 1.01, (g * x).sum(0)


class Pushed(Right):
    @staticmethod
    def jvp(tangents, x, w):
        return F.mul(Right.jvp(tangents, x, w), 2)


class RemembersWhatItComputed(chapter14.Layer):
    """A sigmoid that keeps its output: right once, and wrong when differentiated again."""

    @staticmethod
    def forward(x):
        return x.sigmoid()

    @staticmethod
    def remember(needs, inputs, x_out):
        return (x_out.detach(),)

    @staticmethod
    def backward(needs, g, s):
        return (F.mul(g, F.sub(s, F.mul(s, s))),)

    @staticmethod
    def jvp(tangents, x):
        s = x.detach().sigmoid()
        return F.mul(tangents[0], F.sub(s, F.mul(s, s)))


class LooksAtNumbers(Right):
    @staticmethod
    def forward(x, w):
        return x * w if x.sum().item() < 1e9 else x


class TakesTurns(Right):
    @staticmethod
    def forward(x, w):
        return x * w if x.sum() < 1e9 else w * x


class CastsDown(Right):
    autocast = "lower"


class ReadsMemoryInOrder(Right):
    @staticmethod
    def forward(x, w):
        return x.as_strided(x.shape, torch.empty(x.shape).stride()) * w


class MustHaveDatapoints(Right):
    @staticmethod
    def forward(x, w):
        return x.reshape(x.shape[0], -1) * w


class HidesNaN(Right):
    @staticmethod
    def forward(x, w):
        return x.nan_to_num(0) * w


class RefusesWholeNumbers(Right):
    @staticmethod
    def forward(x, w):
        if not x.is_floating_point():
            raise TypeError("no")
        return x * w


class SaysThatItConjugates(Right):
    conjugates = True


class TakesAnyShape(Right):
    @staticmethod
    def forward(x, w):
        return x * torch.nn.functional.pad(w, (0, 4 - w.shape[-1]))


class WritesOverWhatItRemembers(Right):
    @staticmethod
    def backward(needs, g, x, w, w_shape):
        g_in = F.mul(g, w), F.sum_to_size(F.mul(g, x), w_shape)
        w.data.mul_(2)
        return g_in


class WritesIntoG(Right):
    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.sum_to_size(F.mul(g, x), w_shape) if needs[1] else None, g.mul_(w)

    @staticmethod
    def remember(needs, inputs, x_out):
        return *inputs, inputs[1].shape


class AlwaysBoth(Right):
    @staticmethod
    def remember(needs, inputs, x_out):
        return *inputs, inputs[1].shape

    @staticmethod
    def backward(needs, g, x, w, w_shape):
        return F.mul(g, w), F.sum_to_size(F.mul(g, x), w_shape)


class RemembersAll(Right):
    @staticmethod
    def remember(needs, inputs, x_out):
        return *inputs, inputs[1].shape


class ScaledTooLate(Right):
    """In float16 the sum is infinite before it is scaled."""

    @staticmethod
    def backward(needs, g, x, w, w_shape):
        g_w = F.mul(F.sum_to_size(F.mul(F.mul(g, x), 1024), w_shape), 1 / 1024) if needs[1] else None
        return F.mul(g, w) if needs[0] else None, g_w


class Renamed(torch.nn.Linear):
    def extra_repr(self):
        return "mine"


def product(layer, module=()):
    return Case(layer.of, lambda x, w: x * w, lambda draw, n: (draw(n, 4), draw(4)), module=module)


WRONG = {
    "forward_agrees": product(OffByALittle),
    "backward_agrees": product(BackTooFar),
    "raw_gradients": product(NotSummed),
    "finite_differences": product(SumForgotten),
    "finite_differences_second_order": product(NoWayBackFromTheWayBack),
    "backward_uses_layers_only": product(NativeWayBack),
    "backward_once_agrees": product(WayBackInTwoVersions),
    "forward_mode_agrees": product(Pushed),
    "mixed_mode_orders": Case(RemembersWhatItComputed.of, torch.sigmoid, lambda draw, n: (draw(n, 4),)),
    "per_datapoint_gradients": product(LooksAtNumbers),
    "compiles": product(TakesTurns),
    "autocast_agrees": product(CastsDown),
    "memory_layouts": product(ReadsMemoryInOrder),
    "empty_batch": product(MustHaveDatapoints),
    "nan_inputs": product(HidesNaN),
    "integer_inputs": product(RefusesWholeNumbers),
    "complex_inputs": product(SaysThatItConjugates),
    "wrong_shapes": product(TakesAnyShape),
    "memory_not_overwritten": product(WritesOverWhatItRemembers),
    "inputs_not_overwritten": product(WritesIntoG),
    "memory_needed_gradients_only": product(AlwaysBoth),
    "memory_at_most_native": product(RemembersAll),
    "half_precision_accuracy": product(ScaledTooLate),
    "module_agrees": product(Right, (Renamed, torch.nn.Linear, (4, 4))),
}


@pytest.mark.parametrize("check", [check for check in CHECKS if check.__name__ in WRONG], ids=lambda c: c.__name__)
def test_each_check_catches_its_wrong_layer(check):
    with pytest.raises(Exception) as caught:
        check(WRONG[check.__name__])
    assert not isinstance(caught.value, NotApplicable)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_check_catches_the_right_one(check):
    try:
        check(product(Right))
    except NotApplicable as reason:
        assert check.__name__ in ("module_agrees", "cuda_agrees"), reason


def test_every_check_has_a_wrong_layer():
    """All but the one that needs a GPU: it compares as `forward_agrees` and `backward_agrees` do."""
    assert set(WRONG) == {check.__name__ for check in CHECKS} - {"cuda_agrees"}


def test_check_takes_tensors_or_how_to_draw_them():
    x, w = torch.randn(3, 4), torch.randn(4)
    report = chapter14.check(Right, (x, w))
    assert {v.check for v in report.verdicts if v.result == "-"} >= {
        "per_datapoint_gradients",
        "module_agrees",
    } and not report.wrong
    assert not chapter14.check(F.relu, lambda draw, n: (draw(n, 4),), like=torch.relu).wrong


def test_check_says_what_is_wrong():
    with pytest.raises(ChecksFailed, match="NativeWayBack, backward_uses_layers_only: .*MulBackward0") as caught:
        chapter14.check(NativeWayBack, lambda draw, n: (draw(n, 4), draw(4)))
    assert {v.check for v in caught.value.report.wrong} >= {"backward_uses_layers_only"}
    with pytest.raises(TypeError, match="no floating-point tensor"):
        chapter14.check(Right, (torch.arange(3), 4))
    with pytest.raises(TypeError, match="f must be a Layer"):
        chapter14.check(3, (torch.ones(3),))
    with pytest.raises(TypeError, match="f must be a Layer"):
        chapter14.check(torch.nn.Tanh, (torch.ones(3),))
