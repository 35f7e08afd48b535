"""JMESPath within bounds."""

from __future__ import annotations

import json

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    "text",
    [
        *("&id", "[&id]", "{a: &b}", "not_null(&id)", "to_array(&id)", "map(&(&a), @)", "a || &b", "@ | &a", "[?&a]"),
        *("type(&a)", "sort_by(&a, &b)", "a[::0]", "[0:1:0]", "a[*][::0]"),
        *("`1e999`", "`-1e999`", "`NaN`", "`Infinity`", '`"\\ud800"`', '`{"\\udfff": 1}`', "[?a == `1e999`]"),
        *("foo(@)", "length()", "length(a, b)", "a[?foo(@)]", "x && length()"),
    ],
)
def test_what_cannot_work_whatever_it_is_given_is_a_mistake_of_the_manifest(text: str) -> None:
    """`validate` says so; in a run it would come to nothing that can be taken down, once the job is accepted."""
    with pytest.raises(jmespath.exceptions.JMESPathError):
        expressions.parsed(text)
    content = "jobs: [{scriptName: x, outputs: {n: " + json.dumps(text) + "}}]\nversion: 1\n"
    with pytest.raises(ManifestError) as caught:
        load_all(["m.yaml"], read=lambda _: content.encode())
    assert [problem.code for problem in caught.value.problems] == ["AFT058"]


@pytest.mark.parametrize(
    "text", ["sort_by(@, &a)", "max_by(a, &b).c", "map(&a.b, @)", "a[::-1]", "a[1:]", "merge(a, b, c)"]
)
def test_what_may_work(text: str) -> None:
    """Expressions that functions take, slices, and any number of values where a function takes that."""
    expressions.parsed(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("contains('1', `1`)", None),
        ("contains(a, b)", {"a": "text", "b": 1}),
        ("floor(to_number(@))", "1e999"),
        ("to_number(@)", "1e999"),
        ("to_number(@)", "9" * 5_000),
        ("sum(@)", [1e308, 1e308]),
        ("sort_by(@, &a)", [{"a": 1}, {"a": "x"}]),
        ("max(@)", [1, "x"]),
        ("join(',', @)", [1]),
        ("keys(@)", 1),
    ],
)
def test_what_goes_wrong_with_what_a_server_sends_is_told_in_words(text: str, value: Json) -> None:
    """A condition does not hold, and an output is empty: what JMESPath's functions make of it is no failure."""
    with pytest.raises(jmespath.exceptions.JMESPathError):
        expressions.search(text, value)
    assert unmet([text], value) is not None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_TEXTS = st.recursive(
    st.sampled_from(
        ["a", "b.c", "@", "*", "[0]", "[]", "[*]", "a[::2]", "`1`", "`null`", '`[1, "x"]`', "'x'", "`1e300`"]
    ),
    lambda inner: (
        st.builds("{}.{}".format, inner, st.sampled_from(["a", "b", "*", "[a, b]", "{x: a}", "length(@)"]))
        | st.builds("{} {} {}".format, inner, st.sampled_from(["||", "&&", "|", "==", "<"]), inner)
        | st.builds(
            "{}({})".format,
            st.sampled_from(sorted({*expressions.functions()} - {"sort_by", "max_by", "min_by", "map"})),
            inner | st.builds("{}, {}".format, inner, inner),
        )
        | st.builds("{}({}, &{})".format, st.sampled_from(["sort_by", "max_by", "min_by"]), inner, inner)
        | st.builds("map(&{}, {})".format, inner, inner)
    ),
    max_leaves=5,
)


@given(_TEXTS, _VALUES)
def test_what_comes_out_is_json_or_an_error_of_jmespath(text: str, value: Json) -> None:
    """Whatever the expression, and whatever it is given."""
    try:
        found = expressions.search(text, value)
    except jmespath.exceptions.JMESPathError:
        return
    assert json.loads(json.dumps(found, allow_nan=False).encode()) == found
