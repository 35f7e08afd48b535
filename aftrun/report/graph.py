"""Where jobs stand in the picture of what needs what: in layers, each right of all that it needs. Pure.

Longest paths give the layers, and a few sweeps of barycentres the order within each, so that lines cross little. More
than `MOST` jobs are folded: of each level those that did not go well stand alone, all others as one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aftrun.domain.frozen import dataclass

MOST = 200
_LEVELS = 40
"""More levels than that are folded, too, several into one."""
_ALONE = 12
"""How many of a folded level stand alone."""
_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the picture: a job, or several of one level."""

    jobs: tuple[int, ...]
    layer: int
    row: float
    """Counted from the top, in boxes."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture, in boxes. `edges` name nodes by their places in `nodes`: from what is needed to what needs it."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]
    layers: int
    rows: float


def layout(needs: Sequence[Sequence[int]], bad: Collection[int] = ()) -> Graph | None:
    """The picture of jobs, of which each needs some others; None where none needs another.

    Jobs that need nothing and that nobody needs are not in it.
    """
    needed = {need for some in needs for need in some}
    jobs = [job for job, some in enumerate(needs) if some or job in needed]
    if not jobs:
        return None
    levels = _levels(needs)
    bands = [[job] for job in jobs]
    if len(jobs) > MOST:
        band = -(-(max(levels[job] for job in jobs) + 1) // _LEVELS)
        levels = [level // band for level in levels]
        bands = _folded(jobs, levels, frozenset(bad))
    place = {job: number for number, some in enumerate(bands) for job in some}
    edges = sorted({(place[need], place[job]) for job in jobs for need in needs[job] if place[need] != place[job]})
    layer = [levels[some[0]] for some in bands]
    rows = _rows(layer, edges)
    nodes = tuple(Node(tuple(some), layer[number], rows[number]) for number, some in enumerate(bands))
    return Graph(nodes, tuple(edges), max(layer) + 1, max(rows) + 1)


def _levels(needs: Sequence[Sequence[int]]) -> list[int]:
    """How many jobs stand before each one, on the longest way to it."""
    levels = [-1] * len(needs)
    for first in range(len(needs)):
        stack = [first]
        while stack:
            job = stack[-1]
            if levels[job] >= 0:
                stack.pop()
                continue
            open_ones = [need for need in needs[job] if levels[need] < 0]
            if open_ones:
                stack += open_ones
            else:
                levels[job] = max((levels[need] + 1 for need in needs[job]), default=0)
                stack.pop()
    return levels


def _folded(jobs: Sequence[int], levels: Sequence[int], bad: Collection[int]) -> list[list[int]]:
    """Jobs by box: in each level those that did not go well alone, as far as there is room, all others together."""
    by_level: dict[int, list[int]] = {}
    for job in jobs:
        by_level.setdefault(levels[job], []).append(job)
    boxes = []
    for _, some in sorted(by_level.items()):
        alone = [job for job in some if job in bad][:_ALONE]
        apart = set(alone)
        rest = [job for job in some if job not in apart]
        boxes += [[job] for job in alone] + ([rest] if rest else [])
    return boxes


def _rows(layer: Sequence[int], edges: Sequence[tuple[int, int]]) -> list[float]:
    """How far down each node stands in its layer."""
    before: list[list[int]] = [[] for _ in layer]
    after: list[list[int]] = [[] for _ in layer]
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    columns: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for node, each in enumerate(layer):
        columns[each].append(node)
    rows = [0.0] * len(layer)
    for column in columns:
        for row, node in enumerate(column):
            rows[node] = float(row)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        sides = before if forth else after
        for column in columns if forth else columns[::-1]:
            wanted = {
                node: sum(rows[each] for each in sides[node]) / len(sides[node]) if sides[node] else rows[node]
                for node in column
            }
            column.sort(key=lambda node: (wanted[node], node))  # used at once
            _spread(column, wanted, rows)
    top = min(rows)
    return [row - top for row in rows]


def _spread(column: Sequence[int], wanted: dict[int, float], rows: list[float]) -> None:
    """Put nodes where they want to be, in order, a box apart at least, and as a whole no lower than they want."""
    last = float("-inf")
    for node in column:
        last = rows[node] = max(wanted[node], last + 1)
    drift = sum(rows[node] - wanted[node] for node in column) / len(column)
    for node in column:
        rows[node] -= drift
