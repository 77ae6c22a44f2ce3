"""An objective's identity: the same wherever it is made anew, another where anything that it holds differs."""

import functools

import pytest
import torch

from chapter14.visualization import channel, direction, own, text
from chapter14.visualization.objectives.objective_hash import identity

V = torch.tensor([1.0, 2.0])


def halved(by):
    return own(lambda x: x.sum((1, 2, 3)) / by, "0", name="half")


def with_default(by):
    def f(x, by=by):
        return x.sum((1, 2, 3)) / by

    return own(f, "0", name="half")


PAIRS = {
    "channel": lambda i: channel("0", 3 + i),
    "axis": lambda i: channel("0", 3, axis=1 + i),
    "direction": lambda i: direction("0", V + i),
    "power": lambda i: direction("0", V, cosine_power=float(i)),
    "against": lambda i: text("a photo of a cat", against=["a photo of a dog", "a photo of a tench"][i]),
    "sum": lambda i: channel("0", 1) + (0.5 + i) * channel("0", 2),
    "closure": lambda i: halved(2.0 + i),
    "default": lambda i: with_default(2.0 + i),
    "partial": lambda i: own(functools.partial(torch.sum, dim=i), name="half"),
    "code": lambda i: own([lambda x: x.sum(1), lambda x: x.mean(1)][i], name="half"),
    "constant": lambda i: own([lambda x: 2 * x.sum(1), lambda x: 3 * x.sum(1)][i], name="half"),
    "module": lambda i: own(torch.nn.Linear(2, 1 + i), name="half"),
}


@pytest.mark.parametrize("made", PAIRS.values(), ids=PAIRS)
def test_the_same_is_the_same_and_another_is_not(made):
    torch.manual_seed(0)
    first = identity(made(0))
    torch.manual_seed(0)
    assert identity(made(0)) == first
    assert identity(made(1)) != first


def test_a_function_that_holds_on_to_itself():
    def f(x):
        return f(x)

    assert identity(f) == identity(f)
