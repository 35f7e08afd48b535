"""What fills the gaps in a job's request."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from aftrun.domain.model import Job, Json, Param, ParamKind, Script, Selector, ServerSpec
from aftrun.domain.values import Inside, Origin, Outside, Template, Unbound, Value, nothing_inside
from aftrun.run.plan import Task
from aftrun.run.render import JobOutputs, RunFacts, as_text, lookup_for, make_request
from tests.simulation.kernel import EPOCH

FACTS = RunFacts("20260101-000000-abcd", EPOCH)
OUTSIDE = Outside("env", "S", "${S}")
JSON_SERVER = ServerSpec(typed_params=True)
TEXT_SERVER = ServerSpec()


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ref(*path: str, form: str | None = None) -> Inside:
    """`${{ a.b.c }}`."""
    return Inside(path, "${{ " + ".".join(path) + " }}", form)


def task(variables: dict[str, Value] | None = None, matrix: tuple[tuple[str, str], ...] = ()) -> Task:
    """A task with these variables and this combination."""
    job = Job("j", Script(Selector.NAME, "s"), Origin("m", 1, 1), matrix=matrix)
    return Task(0, "m/j", 0, job, 0, variables=variables)


HANDED = {"a": JobOutputs("17", {"n": 7, "t": "x", "b": True, "none": None, "o": {"k": ["é"]}}), "b": JobOutputs()}


@pytest.mark.usefixtures("utc")
@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (ref("run", "id"), "20260101-000000-abcd"),
        (ref("run", "date"), "2026-01-01"),
        (ref("run", "date", form="%Y%m%d"), "20260101"),
        (ref("run", "started"), "2026-01-01T00:00:00+0000"),
        (ref("run", "started", form="%H"), "00"),
        (ref("run", "other"), None),
        (ref("vars", "year"), "2026"),
        (ref("vars", "host"), "from-outside"),
        (ref("vars", "unset"), None),
        (ref("vars", "missing"), None),
        (ref("matrix", "region"), "eu"),
        (ref("matrix", "other"), None),
        (ref("jobs", "a", "id"), "17"),
        (ref("jobs", "b", "id"), None),
        (ref("jobs", "c", "id"), None),
        (ref("jobs", "a", "outputs", "n"), "7"),
        (ref("jobs", "a", "outputs", "t"), "x"),
        (ref("jobs", "a", "outputs", "b"), "true"),
        (ref("jobs", "a", "outputs", "o"), '{"k": ["é"]}'),
        (ref("jobs", "a", "outputs", "none"), None),
        (ref("jobs", "a", "outputs", "missing"), None),
        (ref("jobs", "b", "outputs", "n"), None),
        (ref("other", "thing"), None),
    ],
)
def test_values_from_inside(reference: Inside, value: str | None) -> None:
    """Every kind of reference, found and not found."""
    variables: dict[str, Value] = {
        "year": "2026",
        "host": Template((OUTSIDE,), "${S}"),
        "unset": Template((Outside("env", "U", "${U}"),), "${U}"),
    }
    found = lookup_for(task(variables, (("region", "eu"),)), FACTS, {("env", "S"): "from-outside"}, HANDED.get)
    assert found(reference) == value


def test_before_the_run_its_facts_are_not_known() -> None:
    """A plan leaves `run.…` as it was written."""
    assert lookup_for(task(), None, {}, HANDED.get)(ref("run", "id")) is None


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (1, "1"), (1.5, "1.5"), (True, "true"), (None, "null"), (["é"], '["é"]')]
)
def test_values_of_a_job_info_as_text(value: Json, text: str) -> None:
    """Strings as they are, everything else as JSON."""
    assert as_text(value) == text


def request(*params: Param, server: ServerSpec = TEXT_SERVER, correlation: str = "") -> tuple[Json, Json]:
    """Body and shown form of a request with these params."""
    job = Job("j", Script(Selector.FILE, "/x.syncjs"), Origin("m", 1, 1), params=params, correlation=correlation)
    made = make_request(job, server, {("env", "S"): "hunter2"}, nothing_inside, "run/m/j/1")
    return dict(made.body), dict(made.shown)


def test_a_request_without_params() -> None:
    """Selector only."""
    assert request() == ({"filePath": "/x.syncjs"}, {"filePath": "/x.syncjs"})


def test_values_from_outside_are_sent_and_not_shown() -> None:
    """The body has the value, the shown form the reference, and neither stands in the repr."""
    secret = Template(("pre-", OUTSIDE), "pre-${S}")
    body, shown = request(Param("p", secret))
    assert body == {"filePath": "/x.syncjs", "params": {"p": "pre-hunter2"}}
    assert shown == {"filePath": "/x.syncjs", "params": {"p": "pre-${S}"}}
    job = Job("j", Script(Selector.NAME, secret), Origin("m", 1, 1))
    made = make_request(job, ServerSpec(), {("env", "S"): "hunter2"}, nothing_inside, "")
    assert "hunter2" not in repr(made)


def test_a_correlation_is_sent_and_shown() -> None:
    """It wins over a param of the same name."""
    body, shown = request(Param("cid", "mine"), correlation="cid")
    assert body == shown == {"filePath": "/x.syncjs", "params": {"cid": "run/m/j/1"}}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("007", ParamKind.INTEGER, 7),
        ("-12", ParamKind.INTEGER, -12),
        ("+5", ParamKind.INTEGER, 5),
        ("0x1F", ParamKind.INTEGER, 31),
        ("0o17", ParamKind.INTEGER, 15),
        ("1.10", ParamKind.NUMBER, 1.1),
        ("1.", ParamKind.NUMBER, 1.0),
        (".5e3", ParamKind.NUMBER, 500.0),
        ("1e999", ParamKind.NUMBER, "1e999"),
        ("-1e999", ParamKind.NUMBER, "-1e999"),
        ("True", ParamKind.BOOLEAN, True),
        ("FALSE", ParamKind.BOOLEAN, False),
        ("yes", ParamKind.TEXT, "yes"),
        ("9" * 5000, ParamKind.INTEGER, "9" * 5000),
    ],
)
def test_param_values_as_json_or_as_written(text: str, kind: ParamKind, value: Json) -> None:
    """`paramValues: json` sends numbers and booleans; the default always sends the text that was written."""
    param = Param("p", text, kind)
    assert request(param)[0] == {"filePath": "/x.syncjs", "params": {"p": text}}
    body, shown = request(param, server=JSON_SERVER)
    assert body == shown == {"filePath": "/x.syncjs", "params": {"p": value}}
    assert isinstance(body, dict)
    params = body["params"]
    assert isinstance(params, dict)
    assert isinstance(params["p"], type(value))
    assert isinstance(params["p"], bool) is isinstance(value, bool)


def test_references_stay_text_in_json_too() -> None:
    """Only what was written plain is typed: a value from outside cannot become a number by chance."""
    body, _ = request(Param("p", Template((OUTSIDE,), "${S}"), ParamKind.TEXT), server=JSON_SERVER)
    assert body == {"filePath": "/x.syncjs", "params": {"p": "hunter2"}}


def test_a_reference_without_a_value_is_an_error_that_names_it() -> None:
    """Nothing is sent with a hole in it."""
    with pytest.raises(Unbound, match=r"\$\{\{ jobs\.a\.id \}\}"):
        request(Param("p", Template((ref("jobs", "a", "id"),), "x")))
