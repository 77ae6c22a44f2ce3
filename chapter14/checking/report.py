"""Layers x checks, as a table, with what is wrong where something is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..layer.base import Layer
from .case import Case, DoesNotApply, Draw
from .checks import CHECKS

RIGHT, NOT, WRONG = "right", "-", "WRONG"


@dataclass(frozen=True)
class Verdict:
    """What a check says of a layer: RIGHT, NOT applicable or WRONG, and the reason of the last two."""

    layer: str
    check: str
    word: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    verdicts: Sequence[Verdict]

    @property
    def wrong(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.word == WRONG]

    def __str__(self) -> str:
        layers, checks = (list(dict.fromkeys(names)) for names in zip(*[(v.layer, v.check) for v in self.verdicts]))  # noqa: B905
        words = {(v.layer, v.check): v.word for v in self.verdicts}
        first, widths = max(len(check) for check in checks), [max(len(layer), len(WRONG)) for layer in layers]

        def row(name: str, cells: Iterable[str]) -> str:
            cells = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
            return "  ".join([f"{name:{first}}", *cells]).rstrip()

        table = [row("", layers), *(row(check, (words[layer, check] for layer in layers)) for check in checks)]
        reasons = [f"{v.layer}, {v.check}: {v.reason}" for v in self.wrong]
        return "\n".join([*table, *([""] if reasons else []), *reasons])


class ChecksFailed(AssertionError):
    """A layer falls short of a check. `report` has all that was found."""

    def __init__(self, report: Report):
        super().__init__(f"\n{report}")
        self.report = report


def verdict(case: Case, check: Callable[[Case], None]) -> Verdict:
    """One layer, held to one check."""
    name = check.__name__
    if reason := case.but.get(name):
        return Verdict(str(case), name, NOT, reason)
    try:
        check(case)
    except DoesNotApply as error:
        return Verdict(str(case), name, NOT, str(error))
    except Exception as error:
        said = " ".join(str(error).split())
        return Verdict(
            str(case), name, WRONG, said if type(error) is AssertionError else f"{type(error).__name__}: {said}"
        )
    return Verdict(str(case), name, RIGHT)


def check(
    f: Callable | type[Layer], inputs: tuple | Callable[[Draw, int], tuple], like: Callable | None = None
) -> Report:
    """Hold a layer to every check of `chapter14.checking.checks`; prints as a table.

    Args:
        f: a `Layer`, or a function made of layers.
        inputs: what to call it with. Its floating-point tensors ask for gradients, or those of them that have
            `requires_grad`, if any has; values are kept as they are. Or, so that batches of any size can be drawn, a
            function (draw, n) → the inputs for a batch of n, where draw(*shape) is a tensor that asks for a gradient.
        like: the same function in plain PyTorch, to compare with. A `Layer`'s own `forward` is that, unless given.

    Raises:
        ChecksFailed: something is wrong; the message is the table, with the reasons.
    """
    report = Report([verdict(a_case(f, inputs, like), check) for check in CHECKS])
    if report.wrong:
        raise ChecksFailed(report)
    return report


def a_case(f: Callable | type[Layer], inputs: tuple | Callable[[Draw, int], tuple], like: Callable | None) -> Case:
    """The case of `check`, and of the command line.

    Raises:
        TypeError: f cannot be called, or there are no inputs.
    """
    title = getattr(f, "__name__", type(f).__name__)
    if isinstance(f, type) and issubclass(f, Layer):
        like, f = like or f.forward, f.of
    if not callable(f):
        raise TypeError(f"check: f is a Layer, or a function made of layers; it was given {f!r}.")
    if not callable(inputs):
        inputs = _drawn(tuple(inputs))
    return Case(f, like, inputs, title=title)


def _drawn(inputs: tuple) -> Callable[[Draw, int], tuple]:
    """The same inputs for each n, in the dtype that is asked for."""
    tensors = [t for t in inputs if isinstance(t, Tensor) and t.is_floating_point()]
    if not tensors:
        raise TypeError("check: there is no floating-point tensor among the inputs, so there is no gradient.")
    asking = {id(t) for t in tensors if t.requires_grad} or {id(t) for t in tensors}

    def draw_them(draw: Draw, n: int) -> tuple:
        def one(t: Any) -> Any:
            if not any(t is s for s in tensors):
                return t
            return t.detach().to(draw(1)).clone().requires_grad_(id(t) in asking)

        return tuple(one(t) for t in inputs)

    return draw_them
