"""Plain command lines are read without typer, to the same effect as with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from aftrun.cli import quick
from aftrun.cli.flags import Argument, Flag
from aftrun.cli.main import COMMANDS, command
from aftrun.cli.typed import typed
from tests.effort import effort

FUNCTIONS = {name: command(place) for name, place, _ in COMMANDS}
TEXTS = ["nightly.yaml", "a b", "", "-", "x=y", "7", "0", "-1", "json", "table", "succeeded", "sha256:00", "--", "-q"]


def through_typer(function: Callable[..., int], line: list[str]) -> dict[str, Any] | None:
    """What typer calls a command with; None where it refuses the line."""
    calls: list[dict[str, Any]] = []

    @functools.wraps(function)
    def record(**values: Any) -> int:
        calls.append(values)
        return 0

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.callback()(lambda: None)
    app.command("it")(typed(record))
    try:
        app(["it", *line], standalone_mode=False)
    except Exception as refused:  # typer's own kinds of refusal are not public
        if type(refused).__module__.startswith(("typer", "click")):
            return None
        raise
    return calls[0] if calls else None


def flags_of(function: Callable[..., int]) -> list[str]:
    """All ways to write a flag of a command."""
    flags = [each.what for each in quick.parameters(function) if isinstance(each.what, Flag)]
    return [part for flag in flags for names in flag.names for part in names.split("/")]


@settings(max_examples=effort(quick=50, usual=200, long=3000))
@given(st.data())
def test_both_readings_agree(data: st.DataObject) -> None:
    """Whatever is read without typer is read by typer the same way, for every command and mixture of flags."""
    function = FUNCTIONS[data.draw(st.sampled_from(sorted(FUNCTIONS)))]
    flag = st.sampled_from([*flags_of(function), "--unknown", "--help"])
    word = st.sampled_from(TEXTS)
    item = st.one_of(word.map(lambda text: [text]), flag.map(lambda text: [text]), st.tuples(flag, word).map(list))
    joined = st.tuples(flag, st.sampled_from(["=", ""]), word).map(lambda parts: ["".join(parts)])
    line = [text for items in data.draw(st.lists(st.one_of(item, joined), max_size=5)) for text in items]
    mine = quick.arguments_of(function, line, {})
    if mine is not None:
        assert mine == through_typer(function, line), line


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_command_can_be_read(name: str) -> None:
    """Each command's parameters are of kinds that are known, and its plainest line is read without typer."""
    function = FUNCTIONS[name]
    places = [each for each in quick.parameters(function) if isinstance(each.what, Argument)]
    line = [next(iter(each.kind)) if issubclass(each.kind, StrEnum) else "x" for each in places]
    assert quick.arguments_of(function, line, {}) == through_typer(function, line) is not None
    for each in quick.parameters(function):
        assert each.kind in (bool, int, float, str, Path) or issubclass(each.kind, StrEnum)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["a.yaml", "-j", "8", "--var", "a=b", "--var=c=d"], {"files": ["a.yaml"], "jobs": 8, "var": ["a=b", "c=d"]}),
        (["--keep-going", "a.yaml", "b.yaml", "-v", "-v"], {"fail_fast": False, "verbose": 2}),
        (["a.yaml", "--state-dir", "s", "-o", "json"], {"state_dir": Path("s"), "output": "json"}),
        (["a.yaml", "-j8", "-ojson"], {"jobs": 8, "output": "json"}),
        (["-", "--events", "-"], {"files": ["-"], "events": "-"}),
    ],
)
def test_plain_lines(line: list[str], expected: dict[str, Any]) -> None:
    """The usual ways to write flags are read without typer."""
    found = quick.arguments_of(FUNCTIONS["apply"], line, {})
    assert found is not None
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["a.yaml", "--help"],
        ["a.yaml", "-kq"],
        ["a.yaml", "-j=8"],
        ["a.yaml", "-j", "0"],
        ["a.yaml", "-j"],
        ["a.yaml", "-o", "xml"],
        ["a.yaml", "--sequ"],
        ["a.yaml", "--quiet=1"],
        ["--", "a.yaml"],
    ],
)
def test_the_rest_is_typers(line: list[str]) -> None:
    """What is unusual or wrong is left to typer, which has the words for it."""
    assert quick.arguments_of(FUNCTIONS["apply"], line, {}) is None


def test_variables_are_typers() -> None:
    """Where a flag's variable is set, typer looks; variables of other commands change nothing."""
    assert quick.arguments_of(FUNCTIONS["apply"], ["a.yaml"], {"AFTRUN_JOBS": "4"}) is None
    assert quick.arguments_of(FUNCTIONS["apply"], ["a.yaml"], {"AFTRUN_PORT": "4"}) is not None
