"""Layered drawing of a directed acyclic graph (Sugiyama et al., 1981): each node in a rank after all its inputs.

rank        one more than the highest rank of a node's inputs; an edge over several ranks has a waypoint in each
order       within a rank, by the barycentre of the neighbours, in sweeps down and up
place       within a rank, in that order, as near to the neighbours as the widths allow (least squares)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Point = tuple[float, float]
Name = Any

SWEEPS = 12
STRAIGHT = 6.0  # weight of a waypoint, which keeps long edges straight; a node has 1
LEAF = 0.05  # weight of a node without inputs, such as a θ, so that it does not bend the main line
PORT = 0.14  # distance between the ends of two edges at a node


class Layout(NamedTuple):
    places: dict[Name, Point]  # (across, along) of each node's centre
    routes: list[list[Point]]  # of each edge: where it enters and leaves each rank that it crosses
    ranks: list[float]  # along, of each rank


def layout(
    sizes: Mapping[Name, Point], edges: Sequence[tuple[Name, Name]], gap: Point = (0.3, 0.35),
    waypoint_width: float = 0.12, values: Sequence[Any] | None = None,
) -> Layout:  # fmt: skip
    """Places nodes, which must come after their inputs in `sizes`.

    Args:
        sizes: (across, along) of each node. gap: (across, along) between nodes.
        values: of each edge; edges with equal values share their waypoints.
    """
    rank = _assign_ranks(list(sizes), edges)
    ranks: list[list[Name]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for name in sizes:
        ranks[rank[name]].append(name)
    keys = range(len(edges)) if values is None else values
    paths = [
        [a, *(("waypoint", value, r) for r in range(rank[a] + 1, rank[b])), b]
        for (a, b), value in zip(edges, keys, strict=True)
    ]
    for point in dict.fromkeys(point for path in paths for point in path[1:-1]):
        ranks[point[2]].append(point)
    before: dict[Name, list[Name]] = {name: [] for row in ranks for name in row}
    after: dict[Name, list[Name]] = {name: [] for row in ranks for name in row}
    for path in paths:
        for a, b in zip(path, path[1:], strict=False):
            if b not in after[a]:
                after[a].append(b)
                before[b].append(a)
    _order_ranks(ranks, before, after)
    widths = {name: sizes[name][0] if name in sizes else waypoint_width for name in before}
    across = _place_across(ranks, before, after, widths, gap[0])
    heights = [max((sizes[name][1] for name in row if name in sizes), default=0.0) for row in ranks]
    along = _stack(heights, gap[1])
    places = {name: (round(across[name], 3), round(along[rank[name]], 3)) for name in sizes}
    routes = [[end for p in path[1:-1] for end in _crossing(across[p], along[p[2]], heights[p[2]])] for path in paths]
    return Layout(places, routes, along)


def _crossing(across: float, along: float, height: float) -> list[Point]:
    return [(round(across, 3), round(along + side * height / 2, 3)) for side in (-1, 1)]


def ports(
    places: Mapping[Name, Point], edges: Sequence[tuple[Name, Name]], routes: Sequence[Sequence[Point]],
    room: Mapping[Name, float],
) -> list[tuple[float, float]]:  # fmt: skip
    """The offsets of each edge's ends from the centres of its two nodes: edges in the order of their other ends.

    `room` is the width of each node. Only edges that share a route share an end.
    """
    offsets = [[0.0, 0.0] for _ in edges]
    for end in (0, 1):
        at: dict[Name, list[tuple[float, int]]] = {}
        for i, (edge, route) in enumerate(zip(edges, routes, strict=True)):
            other = route[-end][0] if route else places[edge[1 - end]][0]
            at.setdefault(edge[end], []).append((other, i))
        for name, ends in at.items():
            order = sorted({other for other, _ in ends})
            step = min(PORT, room[name] / (len(order) + 1))
            for other, i in ends:
                offsets[i][end] = round((order.index(other) - (len(order) - 1) / 2) * step, 4)
    return [(a, b) for a, b in offsets]


def _assign_ranks(names: Sequence[Name], edges: Sequence[tuple[Name, Name]]) -> dict[Name, int]:
    reads: dict[Name, list[Name]] = {name: [] for name in names}
    read_by: dict[Name, list[Name]] = {name: [] for name in names}
    for a, b in edges:
        reads[b].append(a)
        read_by[a].append(b)
    rank: dict[Name, int] = {}
    for name in names:
        rank[name] = 1 + max((rank[a] for a in reads[name]), default=-1)
    for name in names:  # a node without inputs comes right before its first reader
        if not reads[name] and read_by[name]:
            rank[name] = min(rank[b] for b in read_by[name]) - 1
    lowest = min(rank.values(), default=0)
    return {name: r - lowest for name, r in rank.items()}


def _order_ranks(ranks: list[list[Name]], before: Mapping[Name, list[Name]], after: Mapping[Name, list[Name]]) -> None:
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = before if down else after
        place = {name: float(i) for row in ranks for i, name in enumerate(row)}
        for row in ranks if down else ranks[::-1]:
            middle = {n: sum(place[m] for m in near[n]) / len(near[n]) if near[n] else place[n] for n in row}
            row.sort(key=middle.__getitem__)
            place.update((name, float(i)) for i, name in enumerate(row))


def _place_across(
    ranks: Sequence[Sequence[Name]], before: Mapping[Name, list[Name]], after: Mapping[Name, list[Name]],
    width: Mapping[Name, float], gap: float,
) -> dict[Name, float]:  # fmt: skip
    place: dict[Name, float] = {}
    for row in ranks:
        place.update(zip(row, _separate([0.0] * len(row), [1.0] * len(row), row, width, gap), strict=True))
    waypoint = {name: isinstance(name, tuple) for name in width}
    for sweep in range(2 * SWEEPS):
        near = before if sweep % 2 == 0 else after
        for row in ranks if sweep % 2 == 0 else ranks[::-1]:
            wanted, weights = [], []
            for n in row:
                pull = [LEAF if not before[m] else STRAIGHT if waypoint[n] or waypoint[m] else 1.0 for m in near[n]]
                wanted.append(sum(p * place[m] for p, m in zip(pull, near[n], strict=True)) / (sum(pull) or 1.0))
                if not near[n]:
                    wanted[-1] = place[n]
                weights.append(STRAIGHT if waypoint[n] else 1.0 if before[n] else LEAF)
            place.update(zip(row, _separate(wanted, weights, row, width, gap), strict=True))
    return place


def _separate(
    wanted: Sequence[float], weights: Sequence[float], row: Sequence[Name], width: Mapping[Name, float], gap: float
) -> list[float]:
    """The places nearest to those wanted, by weighted least squares, that keep a row's order and do not overlap.

    Less the widths to their left, the places must not decrease: isotonic regression by pooling adjacent violators.
    """
    offset = [0.0]
    for a, b in zip(row, row[1:], strict=False):
        offset.append(offset[-1] + (width[a] + width[b]) / 2 + gap)
    pools: list[list[float]] = []  # mean, weight, count
    for want, weight, left in zip(wanted, weights, offset, strict=False):
        pools.append([want - left, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, total, n = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * total) / (last[1] + total)
            last[1] += total
            last[2] += n
    means = [mean for mean, _, n in pools for _ in range(int(n))]
    return [mean + left for mean, left in zip(means, offset, strict=False)]


def _stack(heights: Sequence[float], gap: float) -> list[float]:
    found, end = [], 0.0
    for h in heights:
        found.append(end + h / 2)
        end += h + gap
    return found
