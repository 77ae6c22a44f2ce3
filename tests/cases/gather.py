"""Layers that read and write at places which tensors say."""

import torch

import chapter14.functional as F

from .declare import case, given, one, two

ROWS = torch.tensor([0, 2, 2, 1])
MASK = torch.tensor([True, False, True, True])
ONCE = torch.tensor([2, 0])


def index(n, k, size):
    """[n, k] below size; some rows have an entry twice."""
    return (torch.arange(n)[:, None] + torch.arange(k) // 2) % size


def once(n, k, size):
    """[n, k] below size; no row has an entry twice."""
    return (torch.arange(n)[:, None] + torch.arange(k)) % size


def gathered(draw, n):
    return draw(n, 4), index(n, 3, 4)


def scattered(places):
    return lambda draw, n: (draw(n, 5), draw(n, 3), places(n, 3, 5))


CASES = [
    case("gather", lambda x, i: F.gather(x, -1, i), lambda x, i: x.gather(-1, i), gathered),
    case("scatter_add", lambda x, s, i: F.scatter_add(x, -1, i, s), lambda x, s, i: x.scatter_add(-1, i, s),
         scattered(index)),
    case("scatter", lambda x, s, i: F.scatter(x, -1, i, s), lambda x, s, i: x.scatter(-1, i, s), scattered(once)),
    case("scatter", lambda x, i: F.scatter(x, -1, i, 3.0), lambda x, i: x.scatter(-1, i, 3.0), gathered,
         title="a number"),
    case("index_select", given(F.index_select, -1, ROWS), given(torch.index_select, -1, ROWS), one(4)),
    case("index_add", lambda x, s: F.index_add(x, -1, ROWS, s, alpha=2), 
         lambda x, s: x.index_add(-1, ROWS, s, alpha=2), two(4)),
    case("index_put", lambda x, v: F.index_put(x, (None, ONCE), v),
         lambda x, v: torch.ops.aten.index_put(x, (None, ONCE), v), lambda draw, n: (draw(n, 4), draw(n, 2)),
         skip={"per_datapoint_gradients": "the axes are counted with the batch"}),
    case("index_put", lambda x, v: F.index_put(x, (None, ROWS), v, True),
         lambda x, v: torch.ops.aten.index_put(x, (None, ROWS), v, True), lambda draw, n: (draw(n, 4), draw(4)),
         skip={"per_datapoint_gradients": "the axes are counted with the batch"}, title="added"),
    case("masked_fill", given(F.masked_fill, MASK, -3.0), given(torch.masked_fill, MASK, -3.0), one(4)),
    case("masked_fill", lambda x, v: F.masked_fill(x, MASK, v), lambda x, v: x.masked_fill(MASK, v),
         lambda draw, n: (draw(n, 4), draw()), title="a value that learns"),
]  # fmt: skip
