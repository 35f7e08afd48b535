"""Where jobs stand in the picture: right of what they need, none over another, and folded where they are many."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest

from aftrun.report.graph import MOST, Graph, layout


def made_up(jobs: int, wide: int, seed: int) -> list[list[int]]:
    """Jobs in rows, each of which needs up to three of the row before it; named in any order."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    names = list(range(jobs))
    chance.shuffle(names)
    needs: list[list[int]] = [[] for _ in range(jobs)]
    for number, name in enumerate(names):
        row = number // wide
        if row:
            before = names[(row - 1) * wide : row * wide]
            needs[name] = chance.sample(before, chance.randint(1, min(3, len(before))))
    return needs


def found(needs: Sequence[Sequence[int]], bad: Sequence[int] = ()) -> Graph:
    """The picture, which is there, and holds together."""
    graph = layout(needs, bad)
    assert graph is not None
    for start, end in graph.edges:
        assert graph.nodes[start].layer < graph.nodes[end].layer
    places = sorted((node.layer, node.row) for node in graph.nodes)
    for (layer, row), (next_layer, next_row) in itertools.pairwise(places):
        assert layer != next_layer or next_row - row >= 0.999
    assert min(node.row for node in graph.nodes) == 0
    assert all(node.layer < graph.layers and node.row < graph.rows for node in graph.nodes)
    return graph


def test_no_needs_no_picture() -> None:
    """And none of no jobs."""
    assert layout([]) is None
    assert layout([[], [], []]) is None


def test_a_diamond() -> None:
    """Three layers; the two in the middle one above the other, and the ends between them. Job 4 stands apart."""
    graph = found([[], [0], [0], [1, 2], []])
    assert [(node.jobs, node.layer) for node in graph.nodes] == [((0,), 0), ((1,), 1), ((2,), 1), ((3,), 2)]
    rows = [node.row for node in graph.nodes]
    assert abs(rows[1] - rows[2]) >= 1
    assert min(rows[1:3]) < rows[3] < max(rows[1:3])
    assert set(graph.edges) == {(0, 1), (0, 2), (1, 3), (2, 3)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("jobs", "wide"), [(12, 3), (200, 25), (200, 1), (150, 150)])
def test_any_jobs(jobs: int, wide: int, seed: int) -> None:
    """Every job that needs or is needed is there once, and every need is a line."""
    needs = made_up(jobs, wide, seed)
    if not any(needs):
        assert layout(needs) is None
        return
    graph = found(needs)
    assert len(graph.nodes) <= MOST
    assert all(len(node.jobs) == 1 for node in graph.nodes)
    assert len(graph.edges) == sum(map(len, needs))


def test_lines_cross_less_than_in_the_order_of_the_manifest() -> None:
    """Two chains whose jobs stand crosswise in the manifest do not cross in the picture."""
    graph = found([[], [], [1], [0], [3], [2]])
    rows = {node.jobs[0]: node.row for node in graph.nodes}
    assert (rows[0] < rows[1]) == (rows[3] < rows[2]) == (rows[4] < rows[5])


def test_more_are_folded_by_level_and_failures_stand_alone() -> None:
    """A thousand jobs are a few dozen boxes, which hold them all."""
    needs = made_up(1_000, 100, 1)
    graph = found(needs, bad=[5, 17, 500])
    assert len(graph.nodes) < 100
    alone = [node.jobs[0] for node in graph.nodes if len(node.jobs) == 1]
    assert {5, 17, 500} <= set(alone)
    members = sorted(job for node in graph.nodes for job in node.jobs)
    needed = {need for some in needs for need in some}
    assert members == sorted(job for job in range(1_000) if needs[job] or job in needed)


def test_a_chain_of_ten_thousand_is_no_deeper_than_a_page() -> None:
    """Levels are folded, too, and no recursion is needed."""
    graph = found([[], *([number] for number in range(9_999))])
    assert graph.layers <= 41
    assert len(graph.nodes) <= 41
