"""JMESPath within bounds."""

from __future__ import annotations

import jmespath
import pytest

from aftrun.domain.errors import ManifestError
from aftrun.domain.model import Json
from aftrun.manifest import load_all
from aftrun.run.expect import unmet
from aftrun.system import expressions

DOUBLING = "|".join(["[@,@]"] * 30)
FLATTENED = "|".join(["[@,@][]"] * 30)
ON_A_FIELD = "|".join(["items", *["[@,@][]"] * 40])


@pytest.mark.parametrize("text", [DOUBLING, FLATTENED, f"x || ({DOUBLING})"])
def test_what_doubles_is_a_mistake_of_the_manifest(text: str) -> None:
    """Found by `validate`, and so before any job is accepted; it is two hundred bytes long."""
    assert len(text) < 300
    content = f"jobs: [{{scriptName: x, expect: ['{text}']}}]\nversion: 1\n"
    with pytest.raises(ManifestError) as caught:
        load_all(["m.yaml"], read=lambda _: content.encode())
    assert [problem.code for problem in caught.value.problems] == ["AFT058"]
    with pytest.raises(jmespath.exceptions.JMESPathError, match="more than"):
        expressions.search(text, 1)


def test_what_doubles_only_what_a_server_sends_is_a_condition_that_does_not_hold() -> None:
    """It stops at a number of steps, and is told as what it is."""
    assert not expressions.grows(ON_A_FIELD)
    said = unmet([ON_A_FIELD], {"items": [1, 2]})
    assert said is not None
    assert "more than" in said
    assert unmet(["length(items) == `2`"], {"items": [1, 2]}) is None


def test_long_and_deep_expressions() -> None:
    """An error in words, whatever the interpreter makes of it."""
    with pytest.raises(jmespath.exceptions.JMESPathError, match="longer than"):
        expressions.parsed("a." * 3_000 + "a")
    with pytest.raises((jmespath.exceptions.JMESPathError, RecursionError)):
        expressions.search("(" * 1_990 + "a" + ")" * 1_990, {"a": 1})


def test_a_list_of_a_usual_night() -> None:
    """Ten thousand entries are nothing special."""
    value: Json = {"files": [{"n": number, "ok": number % 7 > 0} for number in range(10_000)]}
    found = expressions.search("length(files[?ok])", value)
    assert found == sum(number % 7 > 0 for number in range(10_000))
