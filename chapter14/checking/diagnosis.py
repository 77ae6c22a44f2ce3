"""What is wrong with a gradient: hypotheses of what people get wrong, tried against the right gradient.

A hypothesis is a name, a sentence, and a function of a `Trial` (the wrong and the right gradient, the inputs, g_out) to
the words that complete the sentence, none where it does not fit. It must fit in every trial, with the same words, so
that a factor of 3 in a batch of 3 and of 5 in a batch of 5 is the size of the batch. The first that fits is
reported, so the list goes from special to general.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .case import Case, Draw, on_device, requires_grad
from .graph_variants import without_a_factor, without_a_term
from .trial import Trial, autograd, outputs_of, same, trials
from .unsupported import missing_feature

#: What completes a sentence that needs no completion.
FITS = ("",)


@dataclass(frozen=True)
class Hypothesis:
    """A possible mistake. In the sentence, {} is completed by what `explains` returns."""

    name: str
    sentence: str
    explains: Callable[[Trial], Iterable[str]]


def when(fits: Callable[[Trial], bool]) -> Callable[[Trial], Iterable[str]]:
    """`explains` of a hypothesis without words of its own."""
    return lambda t: FITS if fits(t) else ()


def factor(t: Trial) -> float | None:
    """c, where the wrong gradient is c times the right one."""
    if t.wrong.shape != t.right.shape or not t.right.any():
        return None
    k = int(t.right.abs().argmax())
    c = t.wrong.flatten()[k] / t.right.flatten()[k]
    return float(c.real) if same(t.wrong, c * t.right) else None


def sizes(t: Trial) -> dict[str, float]:
    """The sizes that a mean divides by, in words."""
    x_out = t.g[0]
    of_batch = {"the size of the batch": t.batch, "twice the size of the batch": t.batch and 2 * t.batch}
    entries = {f"the number of entries of {t.name_of(k)}": x.numel() for k, x in enumerate(t.leaves)}
    axes = {f"the size of axis {d} of {t.name_of(k)}": n for k, x in enumerate(t.leaves) for d, n in enumerate(x.shape)}
    return {
        words: n
        for words, n in {**of_batch, **entries, "the number of entries of the output": x_out.numel(), **axes}.items()
        if n is not None and n > 1
    }


def times_a_size(t: Trial) -> Iterator[str]:
    c = factor(t)
    yield from (words for words, n in sizes(t).items() if c is not None and abs(c / n - 1) < 1e-5)


def over_a_size(t: Trial) -> Iterator[str]:
    c = factor(t)
    yield from (words for words, n in sizes(t).items() if c is not None and abs(c * n - 1) < 1e-5)


def constant_factor(t: Trial) -> Iterator[str]:
    if (c := factor(t)) is not None:
        yield f"{c:.6g}"


def swapped_axes(t: Trial) -> Iterator[str]:
    n = t.x.ndim
    for i, j in sorted(itertools.combinations(range(n), 2), reverse=True):
        if t.wrong.ndim == n and same(t.wrong.transpose(i, j), t.right):
            yield "its axes are" if n == 2 else f"its axes {i} and {j} are"


def of_another_input(t: Trial) -> Iterator[str]:
    for k, right in enumerate(t.rights):
        if k != t.which and same(t.wrong, right):
            yield f"dJ/d{t.name_of(k)}"


def unsummed(t: Trial) -> Iterator[str]:
    lead = t.wrong.ndim - t.x.ndim
    if t.wrong.shape == t.x.shape or lead < 0:
        return
    axes = [i for i, n in enumerate(t.wrong.shape) if i < lead or t.x.shape[i - lead] != n]
    if all(i < lead or t.x.shape[i - lead] == 1 for i in axes) and same(t.wrong.sum_to_size(t.x.shape), t.right):
        yield in_words(axes)


def reduced(how: Callable) -> Callable[[Trial], Iterator[str]]:
    """Over which axes the right gradient is summed, or averaged, to give the wrong one."""

    def explains(t: Trial) -> Iterator[str]:
        for count in range(1, t.right.ndim + 1):
            for axes in itertools.combinations(range(t.right.ndim), count):
                kept = how(t.right, axes, keepdim=True)
                if any(same(t.wrong, s) for s in (kept, kept.expand(t.right.shape), how(t.right, axes))):
                    yield in_words(axes)

    return explains


def in_words(axes: Sequence[int]) -> str:
    return f"ax{'i' if len(axes) == 1 else 'e'}s {', '.join(map(str, axes))}"


def only_some_datapoints(t: Trial) -> Iterator[str]:
    if t.batch is None or not all(g.ndim and g.shape[0] == t.batch for g in t.g):
        return
    for words, k in (("the first datapoint", 0), ("the last datapoint", t.batch - 1)):
        alone = [torch.zeros_like(g).index_copy(0, torch.tensor([k], device=g.device), g[k : k + 1]) for g in t.g]
        if same(t.wrong, t.with_g(*alone).right):
            yield words


def g_of_one_datapoint(t: Trial) -> Iterator[str]:
    for k, g in enumerate(t.g):
        if g.ndim and g.shape[0] == t.batch:
            first = g[:1].expand_as(g)
            if same(t.wrong, t.with_g(*t.g[:k], first, *t.g[k + 1 :]).right):
                yield "g_out" if len(t.g) == 1 else f"g_out of output {k}"


def reversed_axes(t: Trial) -> Iterator[str]:
    yield from (f"axis {d}" for d in range(t.x.ndim) if t.wrong.ndim > d and same(t.wrong.flip(d), t.right))


def shifted(t: Trial) -> Iterator[str]:
    for d in range(min(t.x.ndim, t.wrong.ndim)):
        for shift in range(-2, 3):
            if same(t.wrong.roll(shift, d), t.right):
                yield f"{abs(shift)} along axis {d}"


def of_axes_swapped_before(t: Trial) -> Iterator[str]:
    """The axis along which the derivative works is another one: right where x and g are transposed before and after."""
    if t.x.ndim < 2 or any(g.shape != t.x.shape for g in t.g):
        return
    for i, j in itertools.combinations(range(t.x.ndim), 2):
        swapped = t.with_leaf(t.which, t.x.transpose(i, j)).with_g(*[g.transpose(i, j) for g in t.g])
        if fits_if_it_runs(lambda s=swapped, i=i, j=j: same(t.wrong.transpose(i, j), s.right)):  # type: ignore[misc]
            yield f"{i} and {j}"


def softmax_over_another_axis(t: Trial) -> Iterator[str]:
    """x_out is a softmax, or its logarithm, over axis d, and the sum of its derivative is over axis e."""
    g = pointwise(t)
    if g is None or t.x.is_complex():
        return
    x, x_out = t.x.detach(), t.x_out[0]
    for d, e in itertools.permutations(range(x.ndim), 2):
        y = x.softmax(d)
        of_softmax = same(x_out, y) and same(t.wrong, y * (g - (g * y).sum(e, keepdim=True)))
        if of_softmax or (same(x_out, y.log()) and same(t.wrong, g - y * g.sum(e, keepdim=True))):
            yield f"{e}, and x_out is a softmax over axis {d}"


def fits_if_it_runs(fits: Callable[[], bool]) -> bool:
    """Whether it fits; not where the layer refuses, or has no value for, inputs outside those drawn."""
    try:
        return fits()
    except Exception:
        return False


def x_out_for(t: Trial) -> Iterator[str]:
    """Wherever the right derivative reads an input, the wrong one reads x_out."""
    for k, x in enumerate(t.leaves):
        if len(t.x_out) == 1 and t.x_out[0].shape == x.shape and not same(t.x_out[0], x.detach()):
            if fits_if_it_runs(lambda k=k: same(t.wrong, t.with_leaf(k, t.x_out[0]).right)):  # type: ignore[misc]
                yield t.name_of(k)


def for_x_out(t: Trial) -> Iterator[str]:
    """Wherever the right derivative reads x_out, the wrong one reads an input: at x_out, it is the right one at x."""
    for k, x in enumerate(t.leaves):
        if len(t.x_out) == 1 and t.x_out[0].shape == x.shape and not same(t.x_out[0], x.detach()):
            if fits_if_it_runs(lambda k=k: same(t.with_leaf(k, t.x_out[0]).wrong, t.right)):  # type: ignore[misc]
                yield t.name_of(k)


def another_input_for(t: Trial) -> Iterator[str]:
    for k, j in itertools.permutations(range(len(t.leaves)), 2):
        if t.leaves[k].shape == t.leaves[j].shape:
            if fits_if_it_runs(lambda k=k, j=j: same(t.wrong, t.with_leaf(j, t.leaves[k]).right)):  # type: ignore[misc]
                yield f"{t.name_of(k)} in the place of {t.name_of(j)}"


def pointwise(t: Trial) -> Tensor | None:
    """g_out, where each entry of x may belong to one of x_out's."""
    return t.g[0] if len(t.g) == 1 and t.g[0].shape == t.right.shape == t.wrong.shape else None


def other_side(t: Trial) -> bool:
    g = pointwise(t)
    return g is not None and not (t.wrong * t.right).any() and same(t.wrong + t.right, g)


def at_minus_x(t: Trial) -> bool:
    return fits_if_it_runs(lambda: same(t.wrong, t.with_leaf(t.which, -t.x).right))


def g_alone(t: Trial) -> bool:
    g = pointwise(t)
    return g is not None and same(t.wrong, g)


def times_x_out(t: Trial) -> bool:
    g = pointwise(t)
    return g is not None and same(t.wrong, g * t.x_out[0])


def divided(t: Trial) -> bool:
    g = pointwise(t)
    return g is not None and bool(t.right.all()) and same(t.wrong * t.right, g * g)


def twice(t: Trial) -> bool:
    g = pointwise(t)
    return g is not None and same(t.wrong * g, t.right * t.right)


def times_g(t: Trial) -> bool:
    g = pointwise(t)
    return g is not None and same(t.wrong, t.right * g)


def ignores_g(t: Trial) -> bool:
    return same(t.wrong, t.with_g(*[torch.ones_like(g) for g in t.g]).right)


def not_linear(t: Trial) -> bool:
    return not same(t.with_g(*[-2 * g for g in t.g]).wrong, -2 * t.wrong)


def not_finite(t: Trial) -> bool:
    return t.wrong.shape == t.right.shape and bool((~t.wrong.isfinite() & t.right.isfinite()).any())


def not_conjugated(t: Trial) -> bool:
    return t.right.is_complex() and same(t.with_g(*[g.conj() for g in t.g]).wrong.conj(), t.right)


def diagonal_alone(t: Trial) -> bool:
    if t.L is None or t.L.shape[0] != t.L.shape[1] or t.wrong.shape != t.g[0].shape:
        return False
    return same(t.wrong, t.g[0] * t.L.diagonal().view_as(t.g[0]))


def from_the_other_side(t: Trial) -> bool:
    if t.L is None or t.L.shape[0] != t.L.shape[1]:
        return False
    return same(t.wrong.flatten(), t.L @ t.g[0].flatten())


def lacks(variants: Callable) -> Callable[[Trial], Iterator[str]]:
    """Which part the wrong gradient lacks of a backward graph that gives the right one."""

    def explains(t: Trial) -> Iterator[str]:
        for graph_of in t.graphs_of:
            try:
                x_out = graph_of(t.inputs)
                right = autograd(x_out, t.leaves, t.g, retain_graph=True)[t.which]
            except Exception:  # a forward pass that autograd cannot differentiate
                continue
            if same(right, t.right):
                yield from (words for words, g in variants(x_out, t.g, t.x) if same(t.wrong, g))

    return explains


def clipped(t: Trial) -> bool:
    c = t.wrong.abs().max() if t.wrong.numel() else torch.zeros(())
    return not t.right.is_complex() and bool(c) and same(t.wrong, t.right.clamp(-c, c))


def in_float32(t: Trial) -> bool:
    return t.wrong.dtype in (torch.float64, torch.complex128) and same(t.wrong, t.right)


def without_graph(t: Trial) -> bool:
    """Of a backward pass as `differentiated` makes it: no gradient that it returns can be differentiated."""
    return not any(g_in.requires_grad for g_in in outputs_of(t.f(*t.inputs)))


def some_entries(t: Trial) -> Iterator[str]:
    """Where it is wrong, if that is the same in words in every trial."""
    if t.wrong.shape != t.right.shape or t.x.is_complex():
        return
    off = ~torch.isclose(t.wrong, t.right, rtol=1e-5, atol=1e-5 * float(t.right.abs().max()))
    x = t.x.detach()
    for words, where in ((f"{t.name} < 0", x < 0), (f"{t.name} > 0", x > 0), (f"|{t.name}| > 1", x.abs() > 1),
                         (f"|{t.name}| < 1", x.abs() < 1)):  # fmt: skip
        if off.any() and not off.all() and torch.equal(off, where):
            yield words


HYPOTHESES = [
    Hypothesis("unsummed", "is not summed over {}, where {name} branches (14.46)", unsummed),
    Hypothesis("float32", "is right to about 7 digits: a part of it is computed in float32", when(in_float32)),
    Hypothesis("not a number", "is NaN or infinite where it should be a number, as from 0 / 0 or a root of 0",
               when(not_finite)),
    Hypothesis("zero", "is zero: `backward` returns None or zeros for {name}", when(lambda t: not t.wrong.any())),
    Hypothesis("sign", "has the wrong sign", when(lambda t: same(-t.wrong, t.right))),
    Hypothesis("conjugate", "is g L, and for complex numbers should be g L*: a factor is not conjugated",
               when(not_conjugated)),
    Hypothesis("transposed", "is transposed: it equals the right one when {} swapped (14.29)", swapped_axes),
    Hypothesis("exchanged", "is what {} should be: the gradients are returned in another order than the inputs",
               of_another_input),
    Hypothesis("times a size", "is the right one times {}: a mean is differentiated as a sum (14.11)", times_a_size),
    Hypothesis("over a size", "is the right one divided by {}: a sum is differentiated as a mean (14.11)", over_a_size),
    Hypothesis("constant factor", "is {} times the right one", constant_factor),
    Hypothesis("g ignored", "ignores g_out: it is right only where g_out is 1 (14.10)", when(ignores_g)),
    Hypothesis("reversed", "is in reversed order along {}", reversed_axes),
    Hypothesis("other side of L", "is L g_out, and should be g_out L (14.10): it applies L from the other side, as "
               "forward mode does", when(from_the_other_side)),
    Hypothesis("shifted", "is shifted by {}", shifted),
    Hypothesis("g alone", "is g_out itself: the factor h'({name}) is missing (14.33)", when(g_alone)),
    Hypothesis("other side", "has the mask of the other side: g_out passes where it should not, and not where it "
               "should (14.33)", when(other_side)),
    Hypothesis("x_out for x_in", "reads x_out in the place of {}", x_out_for),
    Hypothesis("x_in for x_out", "reads {} in the place of x_out", for_x_out),
    Hypothesis("at -x", "is right at -{name}: a comparison, or a sign inside, is the wrong way round",
               when(at_minus_x)),
    Hypothesis("another input", "reads {}", another_input_for),
    Hypothesis("value for derivative", "is g_out times x_out: the value h({name}) in the place of the derivative "
               "h'({name}) (14.33)", when(times_x_out)),
    Hypothesis("divided", "is g_out divided by the derivative, and not multiplied (14.33)", when(divided)),
    Hypothesis("derivative twice", "has the factor h'({name}) twice (14.33)", when(twice)),
    Hypothesis("g twice", "is multiplied by g_out twice (14.10)", when(times_g)),
    Hypothesis("datapoints lost", "is that of {} alone: those of the others are not added (14.46)",
               only_some_datapoints),
    Hypothesis("first for all", "reads {} of the first datapoint for all of them (14.10)", g_of_one_datapoint),
    Hypothesis("summed too far", "is summed over {}, and should not be", reduced(torch.sum)),
    Hypothesis("averaged too far", "is averaged over {}, and should not be", reduced(torch.mean)),
    Hypothesis("other axis", "works along the wrong axis: it is right when axes {} are swapped before and after",
               of_axes_swapped_before),
    Hypothesis("softmax axis", "has its sum over axis {}", softmax_over_another_axis),
    Hypothesis("diagonal alone", "has the diagonal of L only: each entry of {name} changes other entries of x_out too "
               "(14.10)", when(diagonal_alone)),
    Hypothesis("term", "lacks a term: it equals the right one without what comes back through `{}` (14.46)",
               lacks(without_a_term)),
    Hypothesis("factor", "lacks a factor of the chain rule: it equals the right one without the derivative of `{}` "
               "(14.2)", lacks(without_a_factor)),
    Hypothesis("clipped", "is clipped", when(clipped)),
    Hypothesis("not linear", "is not linear in g_out (14.10)", when(not_linear)),
    Hypothesis("some entries", "is wrong exactly where {}", some_entries),
]  # fmt: skip


#: In a second derivative, zero has another cause.
SECOND_ORDER = [
    Hypothesis("no graph", "is missing: `backward` computes without a graph, so it raises alone, and is zero in a sum; "
               "`once_differentiable` would always raise", when(without_graph)),
    Hypothesis("detached", "is zero: `backward` computes with a result that is detached, or without a graph",
               when(lambda t: not t.wrong.any())),
    *HYPOTHESES,
]  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A gradient that is wrong, as "dJ/dW"; the name of the hypothesis that fits, if any; what is wrong, in words."""

    gradient: str
    hypothesis: str | None
    words: str


def sentences(found: Sequence[Finding]) -> str:
    """The findings in words, each once, with all the gradients of which it is true."""
    of: dict[str, list[str]] = {}
    for finding in found:
        of.setdefault(finding.words, []).append(finding.gradient)
    return "; ".join(
        f"{first} {words}" + (f"; likewise {', '.join(more)}" if more else "") for words, (first, *more) in of.items()
    )


def wrong_gradients(case: Case, order: int = 1) -> list[Finding]:
    """The gradients that are wrong, of order 1 or 2, each with the hypothesis that fits."""
    quantity, hypotheses = ("dJ/d{}", HYPOTHESES) if order == 1 else ("the second derivative by {}", SECOND_ORDER)
    found = []
    for of_input in trials(case if order == 1 else differentiated(case)):
        name, words = explanation(of_input, hypotheses) or (None, difference(of_input))
        found.append(Finding(quantity.format(of_input[0].name), name, words))
    return found


def explanation(of_input: Sequence[Trial], hypotheses: Sequence[Hypothesis]) -> tuple[str, str] | None:
    """The name of the hypothesis that fits in all trials, and its sentence."""
    for hypothesis in hypotheses:
        words = list(hypothesis.explains(of_input[0]))
        for t in of_input[1:]:
            others = set(hypothesis.explains(t)) if words else set()
            words = [w for w in words if w in others]
        if words:
            return hypothesis.name, hypothesis.sentence.format(words[0], name=of_input[0].name)
    return None


def difference(of_input: Sequence[Trial]) -> str:
    """Where a gradient is most wrong, and by how much."""
    t = of_input[0]
    wrong, right = t.wrong.detach(), t.right.detach()
    if wrong.shape != right.shape:
        return f"does not fit: its shape is {list(wrong.shape)}, and {t.name} is {list(right.shape)}"
    k = int((wrong - right).abs().nan_to_num(torch.inf).argmax())
    at = [int(i) for i in torch.unravel_index(torch.tensor(k), right.shape)]
    a, b = wrong.flatten()[k].item(), right.flatten()[k].item()
    return f"is wrong: at {at} it is {a:.6g}, and should be {b:.6g}"


def differentiated(case: Case) -> Case:
    """The backward pass of a case as a layer of its own: (*inputs, *g_out) → g_in."""

    def backward_of(f: Callable) -> Callable:
        def g_in(*inputs_and_g: Any) -> tuple[Tensor, ...]:
            inputs = inputs_and_g[:count]
            leaves = [inputs[i] for i in positions]
            with torch.enable_grad():
                return tuple(autograd(outputs_of(f(*inputs)), leaves, inputs_and_g[count:], create_graph=True))

        return g_in

    def inputs_and_g(draw: Draw, n: int) -> tuple:
        inputs = on_device(case.device, case.inputs(draw, n))
        with torch.no_grad():
            x_out = outputs_of(case.ours(*inputs))
            return *inputs, *[draw(*t.shape).detach().to(t.dtype).requires_grad_() for t in x_out]

    drawn = case.draw()
    count, positions = len(drawn), [i for i, t in enumerate(drawn) if requires_grad(t)]
    reference = None if case.on_purpose else case.composite or case.native
    names = (*case.names_of(drawn), "g_out")
    ours, (native, forward) = backward_of(case.ours), (f and backward_of(f) for f in (reference, case.forward))
    return replace(case, ours=ours, native=native, composite=None, forward=forward, inputs=inputs_and_g, names=names)


@contextmanager
def diagnosed(case: Case, order: int = 1) -> Iterator[None]:
    """An error inside of the block says what is wrong with each gradient, where one is wrong."""
    try:
        yield
    except (AssertionError, RuntimeError) as error:
        if missing_feature(error) or (case.on_purpose and order == 1):
            raise
        try:
            found = wrong_gradients(case, order)
        except Exception:  # of the layer, which is `error` already
            raise error from None
        if not found:
            raise
        raise AssertionError(sentences(found)) from error
