"""Numbers keep the digits that were written, as far as JSON can carry them."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aftrun.domain.digits import Digits, as_written, exact_json, exact_loads, has_digits
from aftrun.domain.events import SubmitIntended, from_json
from aftrun.domain.model import Json, Param, ParamKind, Script, Selector, ServerSpec
from aftrun.domain.values import nothing_inside
from aftrun.report import html, ndjson
from aftrun.report import json as json_report
from aftrun.run.render import make_request
from aftrun.run.store.journal_file import encode
from tests.effort import effort
from tests.unit.report_samples import sample
from tests.unit.world import job

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=effort(quick=20, usual=50, long=2000))
@given(VALUES)
def test_other_values_are_written_as_json_writes_them(value: Json) -> None:
    """Compact and indented, in ASCII or not."""
    assert exact_json(value) == json.dumps(value, separators=(",", ":"))
    assert exact_json(value, indent=2, ensure_ascii=False) == json.dumps(value, indent=2, ensure_ascii=False)


@pytest.mark.parametrize("text", ["1.10", "-0.50", "0.1000000000000000055", "12345678901234567890.125", "1E+2", "1e-9"])
def test_digits_stay(text: str) -> None:
    """It is the same number, written as it was."""
    assert exact_json({"a": [as_written(text)]}) == f'{{"a":[{text}]}}'
    assert as_written(text) == float(text)
    assert exact_json(copy.deepcopy([as_written(text)])) == f"[{text}]"
    assert exact_json(pickle.loads(pickle.dumps(as_written(text)))) == text  # noqa: S301  # it is ours


@pytest.mark.parametrize("text", [".5", "+1.5", "01.5", "5."])
def test_what_json_cannot_spell_is_the_number(text: str) -> None:
    """YAML has more spellings than JSON."""
    assert exact_json(as_written(text)) == json.dumps(float(text))
    with pytest.raises(ValueError, match="not a number"):
        Digits(text)


@pytest.mark.parametrize("number", [math.inf, math.nan])
def test_what_json_does_not_have_is_an_error(number: float) -> None:
    """Rather than a body that no server reads."""
    with pytest.raises(ValueError, match="JSON"):
        exact_json([number])


def test_a_param_reaches_the_body_as_it_was_written() -> None:
    """With `paramValues: json`."""
    one = job("a", params=(Param("rate", "1.10", ParamKind.NUMBER), Param("huge", "1e999", ParamKind.NUMBER)))
    request = make_request(one, ServerSpec(typed_params=True), {}, nothing_inside, "c")
    assert one.script == Script(Selector.NAME, "a")
    assert exact_json(request.body) == '{"scriptName":"a","params":{"rate":1.10,"huge":"1e999","cid":"c"}}'


def test_record_and_reports_say_the_digits_that_were_sent() -> None:
    """Both files of the record, the stream of events and every form of the report: also after it was read again."""
    digits = "123456789012345678901234567890.10"
    sent = SubmitIntended(
        1.0, "m/a", 1, {"scriptName": "a", "params": {"rate": as_written("1.10"), "n": as_written(digits)}}
    )
    again = from_json(exact_loads(encode(sent)))
    assert isinstance(again, SubmitIntended)
    assert again == sent
    for event in (sent, again):
        for text in (encode(event), ndjson.line(event)):
            assert f'"rate":1.10,"n":{digits}' in text
        (one, *_) = sample().jobs
        told = replace(one, request=event.request, attempts=())
        for jobs in ((told,), (told,) * 200):
            report = replace(sample(), jobs=jobs)
            for text in (json_report.render(report), html.render(report)):
                found = text.replace("\\", "").replace(" ", "").replace("\n", "")
                assert f'"rate":1.10,"n":{digits}' in found


def test_only_what_would_be_written_otherwise_keeps_its_digits() -> None:
    """Reading a record is no slower for it, and times stay the numbers that they are."""
    numbers = exact_loads("[1.5, 0.1, 1e3, 2.0, 7, 1e999]")
    assert [type(each) for each in numbers] == [float, float, Digits, float, int, Digits]
    assert not has_digits({"scriptName": "a"})
    assert not has_digits({"params": {"a": 1.5, "b": "1.10"}})
