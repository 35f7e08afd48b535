"""JMESPath on job infos: conditions, and what is said where one does not hold."""

from __future__ import annotations

import pytest

from aftrun.domain.model import Json
from aftrun.run.expect import search, unmet

RAW: Json = {"files": 12, "result": {"state": "done", "left": None}, "list": [1, 2], "odd name": 3, "long": "x" * 200}


@pytest.mark.parametrize(
    ("condition", "seen"),
    [
        ("files > `100`", "files is 12"),
        ("result.state == 'gone'", 'result.state is "done"'),
        ("files > `1` && result.state == 'gone'", 'files is 12, result.state is "done"'),
        ("!(files > `1`)", "files is 12"),
        ("missing == `1`", "there is no missing"),
        ("missing", "it is null"),
        ("length(list) > `2`", "it is false"),
        ('"odd name" == `4`', '"odd name" is 3'),
        ("long == 'y'", f'long is "{"x" * 79}…'),
        ("length(files)", "In function length(), invalid type for value: 12, expected one of: "),
    ],
)
def test_what_was_seen_is_told(condition: str, seen: str) -> None:
    """The values that a condition compares stand in the message."""
    said = unmet(["files > `1`", condition], RAW)
    assert said is not None
    assert said.startswith(f"the job ended well by its state, but `expect` does not hold: {condition} ({seen}")


def test_conditions_that_hold() -> None:
    """Anything but false and null holds, an empty text too."""
    assert unmet(["files", "result.state == 'done'", "''"], RAW) is None


def test_search() -> None:
    """A value, or what went wrong."""
    assert search("result.state", RAW) == ("done", "")
    assert search("abs('x')", RAW)[1].startswith("In function abs()")
