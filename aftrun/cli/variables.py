"""Variables of the environment that stand for flags, made ready for one command.

`AFTRUN_FORMAT` stands for `--format` of every command that has one, though what they can be told differs:
`AFTRUN_VALIDATE_FORMAT` stands for that of `validate` alone, and wins. A word that only other commands know is meant
for them, and is passed over; one that no command knows stays, so that the command says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from enum import StrEnum

from aftrun.cli.choices import CheckFormat, ListFormat, PlanFormat, TableFormat, TextFormat

OPPOSITES = {"AFTRUN_KEEP_GOING": "AFTRUN_FAIL_FAST", "AFTRUN_NO_WAIT": "AFTRUN_WAIT"}
"""Variables of flags that say no to another flag: `--keep-going` is the other side of `--fail-fast`."""

NOT_HERE = {"history": ("AFTRUN_REPORT_HTML",)}
"""Variables that mean another page for all other commands, which this one would write over: its own name is needed."""

_YES = ("1", "true", "yes", "on", "t", "y")
_NO = ("", "0", "false", "no", "off", "f", "n")


def settle(command: str, environ: MutableMapping[str, str]) -> dict[str, str]:
    """Leave in the environment, under the names of flags alone, what is meant for a command.

    Returns, for those that had the command's name in theirs, what they were called.
    """
    called: dict[str, str] = {}
    if not any(name.startswith("AFTRUN_") for name in environ):
        return called
    prefix = f"AFTRUN_{command.upper()}_"
    for name in NOT_HERE.get(command, ()):
        environ.pop(name, None)
    for name in [name for name in environ if name.startswith(prefix)]:
        variable = "AFTRUN_" + name.removeprefix(prefix)
        environ[variable] = environ[name]
        called[variable] = name
    for pair in OPPOSITES.items():
        for one, other in (pair, pair[::-1]):
            if one in called and other not in called and _says_yes(environ[one]):
                environ.pop(other, None)  # the variable for all commands says otherwise
        opposite, variable = pair
        said = environ.get(opposite, "")
        if _says_yes(said):
            environ.setdefault(variable, "0")
        elif said.strip().lower() not in _NO and variable not in environ:
            environ[variable] = said  # so that it is refused, as that of any other flag
            called[variable] = called.get(opposite, opposite)
    for variable in _for_others(command, environ):
        del environ[variable]
    return called


def contradicted(opposite: str, environ: Mapping[str, str]) -> str | None:
    """The variable that says yes as well, where this one of `OPPOSITES` does; None where nothing contradicts it."""
    variable = OPPOSITES[opposite]
    return variable if all(_says_yes(environ.get(name, "")) for name in (opposite, variable)) else None


def _says_yes(value: str) -> bool:
    return value.strip().lower() in _YES


def _for_others(command: str, environ: MutableMapping[str, str]) -> list[str]:
    """Variables whose words are none of this command's, but another's."""
    found = []
    for variable, commands in _shared().items():
        given = {line.strip() for line in environ.get(variable, "").splitlines()} - {""}
        own = commands.get(command)
        known = [{each.value for each in words} for words in commands.values()]
        if own is not None and not given <= set(own) and any(given <= words for words in known):
            found.append(variable)
    return found


def _shared() -> Mapping[str, Mapping[str, type[StrEnum]]]:
    """Variables of flags that take different words in different commands, and those words (a test holds it to them)."""
    from aftrun.domain.model import Outcome, RunOutcome  # only where there are variables

    return {
        "AFTRUN_FORMAT": {
            "validate": CheckFormat,
            "plan": PlanFormat,
            "history": TableFormat,
            "show": ListFormat,
            "trust": TextFormat,
            "doctor": TextFormat,
        },
        "AFTRUN_STATUS": {"history": RunOutcome, "show": Outcome},
    }
