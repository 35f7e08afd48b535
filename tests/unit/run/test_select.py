"""`--select` and `--exclude`: which jobs an expression stands for, and what becomes of the needs."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from aftrun.domain.errors import UsageError
from aftrun.domain.model import Manifest
from aftrun.manifest import load_all
from aftrun.run.plan import make_plan, start_order
from aftrun.run.select import LeftOut, ancestors, choose, dependants, keep_jobs

NIGHTLY = """
name: nightly
strategy: {order: parallel}
jobs:
  - {name: extract, scriptName: x, tags: [in, eu]}
  - {name: load, scriptName: x, needs: [extract], matrix: {region: [eu, us]}, tags: [slow]}
  - {name: check, scriptName: x, needs: [load]}
  - {name: tell, scriptName: x, needs: [check], when: always, params: {id: "${{ jobs.check.id }}"}}
  - {name: "odd+", scriptName: x}
  - {name: "tag:fake", scriptName: x}
"""
OTHER = "name: other\njobs: [{name: extract, scriptName: y}, {name: purge, scriptName: y, needs: [extract]}]\n"


def manifests(*texts: str) -> tuple[Manifest, ...]:
    """The manifests of texts."""
    content = "\n---\n".join(texts or (NIGHTLY, OTHER))
    return load_all(["f.yaml"], read=lambda _: content.encode()).manifests


def names(select: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    """The keys of what is left, in order."""
    found = choose(manifests(), select, exclude).manifests
    return [f"{manifest.name}/{job.name}" for manifest in found for job in manifest.jobs]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("check", ["nightly/check"]),
        ("extract", ["nightly/extract", "other/extract"]),
        ("other/extract", ["other/extract"]),
        ("load", ["nightly/load[eu]", "nightly/load[us]"]),
        ("load[eu]", ["nightly/load[eu]"]),
        ("nightly/load[us]", ["nightly/load[us]"]),
        ("load[*]", ["nightly/load[eu]", "nightly/load[us]"]),
        ("*[?s]", ["nightly/load[us]"]),
        ("other/*", ["other/extract", "other/purge"]),
        ("*/extract", ["nightly/extract", "other/extract"]),
        ("tag:slow", ["nightly/load[eu]", "nightly/load[us]"]),
        ("tag:i*", ["nightly/extract"]),
        ("tag:fake", ["nightly/tag:fake"]),
        ("odd+", ["nightly/odd+"]),
        ("+check", ["nightly/extract", "nightly/load[eu]", "nightly/load[us]", "nightly/check"]),
        ("check+", ["nightly/check", "nightly/tell"]),
        ("+load[eu]+", ["nightly/extract", "nightly/load[eu]", "nightly/check", "nightly/tell"]),
        ("+tag:slow", ["nightly/extract", "nightly/load[eu]", "nightly/load[us]"]),
        ("other/extract+", ["other/extract", "other/purge"]),
    ],
)
def test_what_an_expression_stands_for(expression: str, expected: list[str]) -> None:
    """Names, copies, globs, manifest/job, tags, and both operators."""
    assert names((expression,)) == expected


def test_several_expressions() -> None:
    """Those of --select are added up, those of --exclude taken away, in whatever order; jobs keep their order."""
    assert names(("purge", "extract", "check"), ("nightly/extract",)) == [
        "nightly/check",
        "other/extract",
        "other/purge",
    ]
    assert names((), ("nightly/*",)) == ["other/extract", "other/purge"]
    assert names(("*",), ("load+",)) == [
        "nightly/extract", "nightly/odd+", "nightly/tag:fake", "other/extract", "other/purge",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flag", "expression", "hint"),
    [
        ("--select", "chekc", "did you mean 'check'?"),
        ("--exclude", "+extrct", "did you mean 'extract'?"),
        ("--select", "tag:slwo", "did you mean 'tag:slow'?"),
        ("--select", "zzz*", "glob"),
        ("--select", "other/check", "did you mean"),
        ("--select", "", "glob"),
        ("--select", "++check", "did you mean 'check'?"),
        ("--select", "CHECK", "glob"),
    ],
)
def test_an_expression_that_stands_for_nothing(flag: str, expression: str, hint: str) -> None:
    """It is an error that names the flag and the expression, and guesses."""
    arguments = ((expression,), ()) if flag == "--select" else ((), (expression,))
    with pytest.raises(UsageError) as caught:
        choose(manifests(), *arguments)
    assert caught.value.message == f"{flag} {expression}: there is no such job"
    assert hint in caught.value.hint


def test_guesses_without_many_names() -> None:
    """Few jobs are all named; without any tags, that is said."""
    few = manifests(OTHER)
    with pytest.raises(UsageError) as caught:
        choose(few, ("zzz",))
    assert caught.value.hint == "there are extract, purge"
    with pytest.raises(UsageError) as caught:
        choose(few, ("tag:x",))
    assert caught.value.hint == "no job has tags"


def test_nothing_left() -> None:
    """A selection that leaves no job is an error, not an empty success."""
    with pytest.raises(UsageError, match="leave no job"):
        choose(manifests(), ("check",), ("check",))


def test_a_job_that_uses_what_is_left_out() -> None:
    """It is refused before anything is sent, at the place of the reference, with the expression that helps."""
    with pytest.raises(UsageError) as caught:
        choose(manifests(), ("tell",))
    assert caught.value.message == ("f.yaml:8:77: job 'tell' uses ${{ jobs.check.id }}, and 'check' is left out")
    assert caught.value.hint == "add what it needs: --select '+tell'"
    assert names(("+tell",))[-1] == "nightly/tell"


def test_what_is_left_out_and_why() -> None:
    """Each job that does not run is named, in manifest order, with the reason."""
    found = choose(manifests(OTHER), ("*",), ("purge",)).left_out
    assert found == (LeftOut("other", "purge", "excluded by purge"),)
    assert choose(manifests(OTHER), ("purge",)).left_out == (LeftOut("other", "extract", "not selected"),)
    assert choose(manifests(OTHER)).left_out == ()


def test_order_survives_what_is_left_out() -> None:
    """A need that is left out is met; the order that went through it stays."""
    kept = choose(manifests(NIGHTLY), ("extract", "check"), ()).manifests
    assert [(job.name, job.needs) for job in kept[0].jobs] == [("extract", ()), ("check", ("extract",))]
    assert [task.job.name for task in start_order(make_plan(kept).tasks)] == ["extract", "check"]
    alone = choose(manifests(NIGHTLY), ("check",), ()).manifests
    assert alone[0].jobs[0].needs == ()


def test_long_chains() -> None:
    """Three thousand jobs that are left out between two do not overflow the stack."""
    chain = "".join(f"- {{name: j{n}, scriptName: x, needs: [j{n - 1}]}}\n" for n in range(1, 3_000))
    found = manifests(f"jobs:\n- {{name: j0, scriptName: x}}\n{chain}")
    (kept,) = keep_jobs(found, {"f/j0", "f/j2999"})
    assert kept.jobs[1].needs == ("j0",)
    assert keep_jobs(found, set()) == ()


def test_ancestors_and_dependants() -> None:
    """Both ways through a graph with a diamond in it."""
    needs: dict[str, Collection[str]] = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": [], "e": ["d"]}
    assert ancestors(needs, ["d"]) == {"a", "b", "c", "d"}
    assert dependants(needs, ["b"]) == {"b", "d", "e"}
