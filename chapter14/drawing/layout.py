"""Where the nodes of a directed acyclic graph stand: in ranks, each after all that it reads (Sugiyama et al., 1981).

rank        one more than the last of what a node reads; an edge over several ranks passes a waypoint in each
order       within a rank, by the middle of the neighbours (barycentre), down and up
place       within a rank, in that order, as near to the neighbours as their widths allow: least squares
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Point = tuple[float, float]
Name = Any

SWEEPS = 12
STRAIGHT = 6.0  # how much more a waypoint wants to be in line than a node
LEAF = 0.05  # how little a node minds what reads nothing, as a θ: that stands beside, and the rest goes straight on
PORT = 0.14  # between the ends of edges at one node


class Layout(NamedTuple):
    places: dict[Name, Point]  # (across, along), of the middle of each node
    ways: list[list[Point]]  # of each edge: where it passes a rank straight, from its one side to its other
    ranks: list[float]  # along, of each rank


def layout(
    sizes: Mapping[Name, Point],
    edges: Sequence[tuple[Name, Name]],
    gap: Point = (0.3, 0.35),
    way: float = 0.12,
    values: Sequence[Any] | None = None,
) -> Layout:
    """Nodes in an order in which none comes before what it reads; sizes are (across, along), gaps likewise.

    A waypoint is `way` wide. `values` are what goes along each edge: those with the same one share their waypoints.
    """
    rank = _ranks(list(sizes), edges)
    ranks: list[list[Name]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for name in sizes:
        ranks[rank[name]].append(name)
    carried = range(len(edges)) if values is None else values
    paths = [
        [a, *(("way", value, r) for r in range(rank[a] + 1, rank[b])), b]
        for (a, b), value in zip(edges, carried, strict=True)
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
    _ordered(ranks, before, after)
    across = _placed(ranks, before, after, {name: sizes[name][0] if name in sizes else way for name in before}, gap[0])
    tall = [max((sizes[name][1] for name in row if name in sizes), default=0.0) for row in ranks]
    along = _along(tall, gap[1])
    places = {name: (round(across[name], 3), round(along[rank[name]], 3)) for name in sizes}
    ways = [[point for p in path[1:-1] for point in _past(across[p], along[p[2]], tall[p[2]])] for path in paths]
    return Layout(places, ways, along)


def _past(across: float, along: float, tall: float) -> list[Point]:
    return [(round(across, 3), round(along + side * tall / 2, 3)) for side in (-1, 1)]


def ports(
    places: Mapping[Name, Point],
    edges: Sequence[tuple[Name, Name]],
    ways: Sequence[Sequence[Point]],
    room: Mapping[Name, float],
) -> list[tuple[float, float]]:
    """How far beside the middles of its two nodes each edge ends, so that no two end at one point unless they go on as
    one.

    `room` is how wide a node is there; they are in the order in which they come.
    """
    offsets = [[0.0, 0.0] for _ in edges]
    for end in (0, 1):
        at: dict[Name, list[tuple[float, int]]] = {}
        for i, (edge, way) in enumerate(zip(edges, ways, strict=True)):
            there = way[-end][0] if way else places[edge[1 - end]][0]
            at.setdefault(edge[end], []).append((there, i))
        for name, comers in at.items():
            order = sorted({there for there, _ in comers})
            step = min(PORT, room[name] / (len(order) + 1))
            for there, i in comers:
                offsets[i][end] = round((order.index(there) - (len(order) - 1) / 2) * step, 4)
    return [(a, b) for a, b in offsets]


def _ranks(names: Sequence[Name], edges: Sequence[tuple[Name, Name]]) -> dict[Name, int]:
    reads: dict[Name, list[Name]] = {name: [] for name in names}
    read_by: dict[Name, list[Name]] = {name: [] for name in names}
    for a, b in edges:
        reads[b].append(a)
        read_by[a].append(b)
    rank: dict[Name, int] = {}
    for name in names:
        rank[name] = 1 + max((rank[a] for a in reads[name]), default=-1)
    for name in names:  # what reads nothing stands right before the first that reads it
        if not reads[name] and read_by[name]:
            rank[name] = min(rank[b] for b in read_by[name]) - 1
    lowest = min(rank.values(), default=0)
    return {name: r - lowest for name, r in rank.items()}


def _ordered(ranks: list[list[Name]], before: Mapping[Name, list[Name]], after: Mapping[Name, list[Name]]) -> None:
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near = before if down else after
        place = {name: float(i) for row in ranks for i, name in enumerate(row)}
        for row in ranks if down else ranks[::-1]:
            middle = {n: sum(place[m] for m in near[n]) / len(near[n]) if near[n] else place[n] for n in row}
            row.sort(key=middle.__getitem__)
            place.update((name, float(i)) for i, name in enumerate(row))


def _placed(
    ranks: Sequence[Sequence[Name]],
    before: Mapping[Name, list[Name]],
    after: Mapping[Name, list[Name]],
    width: Mapping[Name, float],
    gap: float,
) -> dict[Name, float]:
    place: dict[Name, float] = {}
    for row in ranks:
        place.update(zip(row, _apart([0.0] * len(row), [1.0] * len(row), row, width, gap), strict=True))
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
            place.update(zip(row, _apart(wanted, weights, row, width, gap), strict=True))
    return place


def _apart(
    wanted: Sequence[float], weights: Sequence[float], row: Sequence[Name], width: Mapping[Name, float], gap: float
) -> list[float]:
    """The places nearest to those wanted, by weighted squares, that keep the row's order and its widths apart.

    Less what lies to the left, places must not fall: that is isotonic regression, by pooling those that would.
    """
    offset = [0.0]
    for a, b in zip(row, row[1:], strict=False):
        offset.append(offset[-1] + (width[a] + width[b]) / 2 + gap)
    pools: list[list[float]] = []  # mean, weight, how many
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


def _along(tall: Sequence[float], gap: float) -> list[float]:
    found, end = [], 0.0
    for h in tall:
        found.append(end + h / 2)
        end += h + gap
    return found
