"""Variables of the environment that stand for flags, command by command."""

from __future__ import annotations

import pytest

from aftrun.cli.variables import OPPOSITES, _shared, contradicted, settle
from tests.conftest import Run
from tools.commands import commands


def settled(command: str, **environ: str) -> dict[str, str]:
    """What is left of an environment."""
    settle(command, environ)
    return environ


@pytest.mark.parametrize(
    ("command", "given", "left"),
    [
        ("history", {"AFTRUN_FORMAT": "json"}, {"AFTRUN_FORMAT": "json"}),
        ("history", {"AFTRUN_FORMAT": "sarif"}, {}),
        ("validate", {"AFTRUN_FORMAT": "sarif"}, {"AFTRUN_FORMAT": "sarif"}),
        ("history", {"AFTRUN_FORMAT": "bogus"}, {"AFTRUN_FORMAT": "bogus"}),
        ("show", {"AFTRUN_STATUS": "failed\ninterrupted"}, {}),
        ("show", {"AFTRUN_STATUS": "failed\nunknown\n"}, {"AFTRUN_STATUS": "failed\nunknown\n"}),
        ("apply", {"AFTRUN_FORMAT": "sarif"}, {"AFTRUN_FORMAT": "sarif"}),
        ("", {"AFTRUN_FORMAT": "sarif"}, {"AFTRUN_FORMAT": "sarif"}),
        ("apply", {"HOME": "/root"}, {"HOME": "/root"}),
    ],
)
def test_words_that_are_meant_for_others(command: str, given: dict[str, str], left: dict[str, str]) -> None:
    """They are passed over where another command knows them; what nobody knows stays to be complained of."""
    assert settled(command, **given) == left


def test_the_variable_of_one_command_wins() -> None:
    """And says nothing to others."""
    environ = {"AFTRUN_FORMAT": "json", "AFTRUN_VALIDATE_FORMAT": "github"}
    assert settled("validate", **environ)["AFTRUN_FORMAT"] == "github"
    assert settled("history", **environ)["AFTRUN_FORMAT"] == "json"


@pytest.mark.parametrize("yes", ["1", "true", "Yes ", "on"])
def test_other_sides(yes: str) -> None:
    """`--keep-going` speaks through AFTRUN_FAIL_FAST; what is said for one command wins over what is said for all."""
    assert settled("apply", AFTRUN_KEEP_GOING=yes)["AFTRUN_FAIL_FAST"] == "0"
    assert settled("apply", AFTRUN_APPLY_KEEP_GOING=yes, AFTRUN_FAIL_FAST="1")["AFTRUN_FAIL_FAST"] == "0"
    other = settled("apply", AFTRUN_APPLY_FAIL_FAST=yes, AFTRUN_KEEP_GOING="1")
    assert other["AFTRUN_FAIL_FAST"] == yes
    assert contradicted("AFTRUN_KEEP_GOING", other) is None
    assert "AFTRUN_FAIL_FAST" not in settled("apply", AFTRUN_KEEP_GOING="0")


@pytest.mark.parametrize("prefix", ["AFTRUN", "AFTRUN_APPLY"])
def test_both_sides_are_refused_as_both_flags_are(aftrun: Run, prefix: str) -> None:
    """By the command that has the flag, and unless the line decides."""
    environ = {f"{prefix}_FAIL_FAST": "1", f"{prefix}_KEEP_GOING": "yes"}
    assert aftrun("init", "m.yaml", env=environ).code == 0
    done = aftrun("apply", "m.yaml", "--dry-run", env=environ)
    assert done.code == 2
    assert "AFTRUN_FAIL_FAST and AFTRUN_KEEP_GOING exclude each other" in done.err
    for line in (("--fail-fast",), ("--keep-going",)):
        assert aftrun("apply", "m.yaml", "--dry-run", *line, env=environ).code == 0
    assert aftrun("apply", "m.yaml", "--dry-run", env={**environ, f"{prefix}_FAIL_FAST": "0"}).code == 0
    done = aftrun("start", "-n", "x", env={f"{prefix[:6]}_WAIT": "1", f"{prefix[:6]}_NO_WAIT": "1"})
    assert "AFTRUN_WAIT and AFTRUN_NO_WAIT exclude each other" in done.err


def test_no_variable_of_one_command_is_that_of_a_flag() -> None:
    """Were there a flag `--apply-format`, AFTRUN_APPLY_FORMAT would mean two things."""
    found = {command.name: {each.variable for each in command.options if each.variable} for command in commands()}
    flags = set().union(*found.values()) | OPPOSITES.keys()
    for command, variables in found.items():
        own = {f"AFTRUN_{command.upper()}_{variable.removeprefix('AFTRUN_')}" for variable in variables}
        assert not own & flags


def test_the_words_of_variables_that_commands_share_are_those_of_their_flags() -> None:
    """A flag with words of its own, in a command that shares its variable with others, is known to `settle`."""
    flags: dict[str, dict[str, tuple[str, ...]]] = {}
    for command in commands():
        for each in command.options:
            if each.choices and each.variable:
                flags.setdefault(each.variable, {})[command.name] = each.choices
    different = {variable: by for variable, by in flags.items() if len(set(by.values())) > 1}
    known = {
        variable: {command: tuple(str(word) for word in words) for command, words in by.items()}
        for variable, by in _shared().items()
    }
    assert different == known


def test_a_word_that_nobody_knows_is_named_with_its_variable(aftrun: Run) -> None:
    """So that a person knows where it comes from: nothing of it stands on the line."""
    for variable, word, command in (
        ("AFTRUN_FORMAT", "bogus", "validate"),
        ("AFTRUN_VALIDATE_FORMAT", "bogus", "validate"),
        ("AFTRUN_STATUS", "bogus", "show"),
        ("AFTRUN_OUTPUT", "jsno", "apply"),
    ):
        done = aftrun(command, "m.yaml", env={variable: word})
        assert done.code == 2
        assert word in done.err
        assert f"the variable {variable}" in done.err


def test_one_variable_for_several_commands(aftrun: Run) -> None:
    """A CI job that sets AFTRUN_FORMAT for `validate` can still look at its history."""
    environ = {"AFTRUN_FORMAT": "sarif"}
    assert aftrun("init", "m.yaml").code == 0
    assert '"$schema"' in aftrun("validate", "m.yaml", env=environ).out
    assert aftrun("trust", "127.0.0.1:1", env=environ).code == 3
    specific = aftrun("validate", "m.yaml", env={**environ, "AFTRUN_VALIDATE_FORMAT": "json"}).out
    assert '"problems"' in specific
    assert "AFTRUN_APPLY_STATE_DIR" in aftrun("--help").out
