"""Scenario files: what is read, what is refused and in which words, and the schema's agreement."""

from __future__ import annotations

import contextlib
import json
import random
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.model import Json
from aftrun.manifest.check.scenario import read
from aftrun.sandbox.scenario import (
    Behaviour,
    Dialect,
    Ending,
    Fault,
    Fixed,
    Kind,
    LogNormal,
    Match,
    On,
    Outage,
    Per,
    RetryAfter,
    Scenario,
    Strikes,
    Uniform,
    parse,
)
from aftrun.system.resources import schema_text
from tests.conftest import Run

VALIDATOR = jsonschema.Draft202012Validator(json.loads(schema_text("scenario")))
DOCS = Path(__file__).parents[3] / "docs" / "sandbox.md"


class Yaml12(yaml.SafeLoader):
    """Reads YAML as version 1.2 has it, where `on` is a text."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), ["t", "f"])


def load(text: str) -> Json:
    """The plain data of a YAML text."""
    data: Json = yaml.load(text, Yaml12)  # noqa: S506 - a SafeLoader by descent
    return data


FULL = """
x-note: free
defaults: {queue: 0, duration: {min: 1s, max: 2s}, dialect: snake, keep: 1m, faults: [{kind: cut}, {kind: notFound}]}
behaviours:
  - match: {scriptName: "S3*", params: {region: eu-*, count: 3, dry: true}}
    duration: {median: 2s, sigma: 0.8}
    outcome: failed
    exitCode: 7
    message: no space
    outputs: {files: 3}
    flaky: {failFirst: 2}
  - match: {filePath: /opt/*.syncjs}
    dialect: upper
    faults:
      - {on: submit, kind: status, code: 503, retryAfter: {date: 2s}, times: always, per: job, chance: 0.5}
      - {on: status, kind: slow, delay: 3s, after: 1, times: 2}
      - {on: submit, kind: reset, strikes: after}
      - {on: submit, kind: redirect, to: "https://example.org/", code: 302}
outages: [{after: 1s, for: 2s}, {for: 1m}]
latency: {min: 0, max: 50ms}
seed: 42
scripts: [S3 relay]
workers: 4
rateLimit: 2.5
keepAlive: 5s
"""


def test_reads_every_key() -> None:
    """A file that uses everything becomes the data it describes; behaviours inherit what they do not set."""
    data = load(FULL)
    not_found = Fault(Kind.NOT_FOUND, On.STATUS)
    second = Uniform(1.0, 2.0)
    assert parse(data) == Scenario(
        defaults=Behaviour(
            queue=Fixed(0.0),
            duration=second,
            dialect=Dialect.SNAKE,
            keep=60.0,
            faults=(Fault(Kind.CUT, On.CONNECT), not_found),
        ),
        behaviours=(
            Behaviour(
                match=Match(script_name="S3*", params=(("region", "eu-*"), ("count", "3"), ("dry", "true"))),
                queue=Fixed(0.0),
                duration=LogNormal(2.0, 0.8),
                outcome=Ending.FAILED,
                exit_code=7,
                message="no space",
                outputs={"files": 3},
                dialect=Dialect.SNAKE,
                fail_first=2,
                keep=60.0,
                faults=(not_found,),
            ),
            Behaviour(
                match=Match(file_path="/opt/*.syncjs"),
                queue=Fixed(0.0),
                duration=second,
                dialect=Dialect.UPPER,
                keep=60.0,
                faults=(
                    Fault(
                        Kind.STATUS, code=503, retry_after=RetryAfter(date_in=2.0), times=None, per=Per.JOB, chance=0.5
                    ),
                    Fault(Kind.SLOW, On.STATUS, times=2, after=1, delay=3.0),
                    Fault(Kind.RESET, strikes=Strikes.AFTER),
                    Fault(Kind.REDIRECT, to="https://example.org/", code=302),
                ),
            ),
        ),
        outages=(Outage(1.0, 2.0), Outage(0.0, 60.0)),
        latency=Uniform(0.0, 0.05),
        seed=42,
        scripts=("S3 relay",),
        workers=4,
        rate_limit=2.5,
        keep_alive=5.0,
    )
    VALIDATOR.validate(data)


def test_reads_the_key_on_in_either_version_of_yaml() -> None:
    """YAML 1.1 makes the key `on` into true; a scenario means the same."""
    assert parse(yaml.safe_load(FULL)) == parse(load(FULL))


def test_the_schema_is_a_schema() -> None:
    """It is itself valid, so that editors can use it."""
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)


def test_an_empty_file_is_the_default_scenario() -> None:
    """Nothing, and an empty mapping, mean the same as no scenario."""
    assert parse(None) == parse({}) == Scenario()


def fault(**options: Json) -> Json:
    """A scenario with one fault in its first behaviour."""
    return {"behaviours": [{"faults": [options]}]}


SPAN = "a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m or a mapping (key: value)"
KINDS = ", ".join(json.loads(schema_text("scenario"))["$defs"]["fault"]["properties"]["kind"]["enum"])
WRONG: list[tuple[Json, str, str]] = [
    ([], "1:1: AFT020 the scenario must be a mapping (key: value)", ""),
    ({"behaviors": []}, "1:2: AFT021 unknown key 'behaviors' in scenario", "did you mean 'behaviours'?"),
    ({"behaviours": {}}, "1:16: AFT020 'behaviours' must be a list of mappings", ""),
    ({"behaviours": ["x"]}, "1:17: AFT020 each item of 'behaviours' must be a mapping (key: value)", ""),
    ({"behaviours": [{"mach": {}}]}, "1:18: AFT021 unknown key 'mach' in behaviour", "did you mean 'match'?"),
    (
        {"behaviours": [{}, {}, {"faults": [{"kind": "rset", "on": "submit"}]}]},
        f"1:46: AFT025 'kind' must be one of {KINDS}",
        "did you mean 'reset'?",
    ),
    (
        {"behaviours": [{"outcome": 3}]},
        "1:29: AFT025 'outcome' must be one of succeeded, failed, cancelled, stuck, vanished",
        "",
    ),
    (
        {"behaviours": [{"match": {"params": []}}]},
        "1:38: AFT020 'params' must be a mapping (key: value)",
        "write params: {name: value}",
    ),
    (
        {"behaviours": [{"match": {"params": {"a": None}}}]},
        "1:39: AFT029 param 'a' has no value",
        'write a: "" for empty text, or remove it',
    ),
    ({"behaviours": [{"match": {"scriptName": 3}}]}, "1:42: AFT020 'scriptName' must be text", 'put it in quotes: "3"'),
    ({"behaviours": [{"outputs": []}]}, "1:29: AFT020 'outputs' must be a mapping (key: value)", ""),
    (
        {"behaviours": [{"exitCode": "1"}]},
        "1:30: AFT020 'exitCode' must be a whole number from -2147483648 to 4294967296",
        "write it without quotes",
    ),
    (
        {"behaviours": [{"flaky": {"failFirst": -1}}]},
        "1:41: AFT027 'failFirst' must be a whole number from 0 to 1000000",
        "",
    ),
    (
        {"behaviours": [{"queue": 2}]},
        "1:27: AFT020 'queue' must be a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m or a mapping (key: value)",
        "write the unit too: 2s",
    ),
    (
        {"behaviours": [{"queue": "2"}]},
        "1:27: AFT020 'queue' must be a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m or a mapping (key: value)",
        "write the unit too: 2s",
    ),
    (
        {"behaviours": [{"queue": "soon"}]},
        "1:27: AFT020 'queue' must be a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m or a mapping (key: value)",
        "",
    ),
    (
        {"behaviours": [{"queue": True}]},
        "1:27: AFT020 'queue' must be a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m or a mapping (key: value)",
        "",
    ),
    ({"behaviours": [{"duration": {"min": "1s"}}]}, "1:18: AFT022 'duration' needs 'max'", "write max: …"),
    (
        {"behaviours": [{"duration": {"min": "1s", "max": "2s", "sigma": 1}}]},
        "1:57: AFT021 unknown key 'sigma' in range",
        "keys of your own begin with x-",
    ),
    (
        {"behaviours": [{"duration": {"median": "1s", "max": "2s"}}]},
        "1:47: AFT021 unknown key 'max' in long tail",
        "keys of your own begin with x-",
    ),
    (
        {"behaviours": [{"duration": {"median": "1s", "sigma": 9}}]},
        "1:56: AFT027 'sigma' must be a number from 0 to 5",
        "",
    ),
    (
        {"defaults": {"match": {}}},
        "1:15: AFT025 'match' is not possible here",
        "the defaults are for everything: move it to an item of behaviours",
    ),
    ({"outages": [{"after": "1s"}]}, "1:15: AFT022 each item of 'outages' needs 'for'", "How long it lasts."),
    (
        {"scripts": [None]},
        "1:14: AFT020 each item of 'scripts' has no value; it must be text",
        "give it a value, or remove the key",
    ),
    ({"scripts": [""]}, "1:14: AFT030 each item of 'scripts' must not be empty", ""),
    ({"workers": 0}, "1:13: AFT027 'workers' must be a whole number from 1 to 1000000", ""),
    ({"seed": True}, "1:10: AFT020 'seed' must be a whole number from -9007199254740992 to 9007199254740992", ""),
    ({"rateLimit": "5"}, "1:15: AFT020 'rateLimit' must be a number from 0.001 to 1000000", "write it without quotes"),
    (
        {"behaviours": [{"faults": [{"on": "submit"}]}]},
        "1:30: AFT022 each item of 'faults' needs 'kind'",
        f"write one of: {KINDS}",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset"}]}]},
        "1:30: AFT022 each item of 'faults' needs 'on'",
        "write on: submit or on: status",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "post"}]}]},
        "1:53: AFT025 'on' must be one of submit, status, connect",
        "",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "connect"}]}]},
        "1:53: AFT025 'on' must be one of submit, status",
        "",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "cut"}]}]},
        "1:30: AFT025 'kind' is not possible here",
        "a cut comes before there is a request to match: move it to defaults.faults",
    ),
    (
        {"defaults": {"faults": [{"kind": "cut", "on": "submit"}]}},
        "1:42: AFT025 'on' is not possible here",
        "a cut comes before there is any request: write on: connect, or leave it out",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "status", "on": "submit"}]}]},
        "1:30: AFT022 each item of 'faults' needs 'code'",
        "the HTTP status, such as code: 503",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "redirect", "on": "submit"}]}]},
        "1:30: AFT022 each item of 'faults' needs 'to'",
        "the Location, such as to: /elsewhere",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "submit", "code": 500}]}]},
        "1:63: AFT025 'code' is not possible here",
        "it is for the kinds status, html, redirect, echoKey",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "submit", "tmes": 2}]}]},
        "1:63: AFT021 unknown key 'tmes' in fault",
        "did you mean 'times'?",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "submit", "times": 0}]}]},
        "1:72: AFT027 'times' must be a whole number from 1 to 1000000000 or always",
        "",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "submit", "chance": 2}]}]},
        "1:73: AFT027 'chance' must be a number from 0 to 1",
        "",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "reset", "on": "status", "strikes": "after"}]}]},
        "1:63: AFT025 'strikes' is not possible here",
        "reading a status has no effect to be before or after: leave it out",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "status", "on": "submit", "code": 99}]}]},
        "1:72: AFT027 'code' must be a whole number from 200 to 599",
        "",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "status", "on": "submit", "code": 503, "retryAfter": "2"}]}]},
        "1:91: AFT020 'retryAfter' must be a whole number ≥ 0 or a mapping (key: value)",
        "write it without quotes",
    ),
    (
        {"behaviours": [{"faults": [{"kind": "status", "on": "submit", "code": 503, "retryAfter": {"date": 2}}]}]},
        "1:100: AFT020 'date' must be a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m",
        "write the unit too: 2s",
    ),
    ({"x y": 1}, "1:2: AFT021 unknown key 'x y' in scenario", "keys of your own begin with x-"),
    (
        {"outages": [{"for": "2s\n"}]},
        "1:22: AFT020 'for' must be a duration such as 500ms, 30s, 5m, 2h, 1d or 1h30m",
        "",
    ),
    (
        {"seed": float("nan")},
        "1:10: AFT020 'seed' must be a whole number from -9007199254740992 to 9007199254740992",
        "",
    ),
]


@pytest.mark.parametrize(("data", "message", "hint"), WRONG, ids=[message[:60] for _, message, _ in WRONG])
def test_says_what_is_wrong_where_and_what_would_be_right(data: Json, message: str, hint: str) -> None:
    """Each mistake is named with its place, code, cause and remedy."""
    with pytest.raises(ManifestError) as caught:
        read("s.yaml", json.dumps(data).encode())
    (problem,) = caught.value.problems
    assert f"{problem.line}:{problem.column}: {problem.code} {problem.message}" == message
    assert problem.hint == hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"behaviors": []}, "scenario: unknown key 'behaviors'; did you mean 'behaviours'?"),
        ({"workers": 0}, "workers: 0 is less than the minimum of 1"),
        (fault(kind="cut"), "behaviours[0].faults[0].kind: a cut comes before there is a request to match"),
    ],
)
def test_what_is_said_of_plain_data(data: Json, message: str) -> None:
    """In the words of jsonschema, or of the schema where it has some."""
    with pytest.raises(UsageError, match=re.escape(message)):
        parse(data)


@pytest.mark.parametrize("data", [data for data, _, _ in WRONG], ids=[message[:60] for _, message, _ in WRONG])
def test_plain_data_is_checked_too(data: Json) -> None:
    """Who makes a scenario in Python gets the path and the cause."""
    with pytest.raises(UsageError, match=r"^[\w.\[\]]+: .+") as caught:
        parse(data)
    assert "docs/sandbox.md" in caught.value.hint


def test_a_file_is_refused_with_all_its_mistakes_at_their_places(aftrun: Run, tmp_path: Path) -> None:
    """As `aftrun validate` says it of a manifest: file, line, column, the line itself, the remedy."""
    text = "behaviours:\n  - outcom: failed\n    duration: 2\n"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    done = aftrun("sandbox", "--scenario", "s.yaml")
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines() == [
        "s.yaml:2:5: error[AFT021]: unknown key 'outcom' in behaviour",
        "  2 |   - outcom: failed",
        "    |     ^^^^^^",
        "  hint: did you mean 'outcome'?",
        f"s.yaml:3:15: error[AFT020]: 'duration' must be {SPAN}",
        "  3 |     duration: 2",
        "    |               ^",
        "  hint: write the unit too: 2s",
        "2 problems in the scenario; nothing was sent",
    ]


def test_a_range_the_wrong_way_round() -> None:
    """The one mistake that the schema cannot see."""
    with pytest.raises(UsageError, match="latency: its max is less than its min"):
        parse({"latency": {"min": "2s", "max": "1s"}})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, RetryAfter(seconds=0)), ({"text": "soon"}, RetryAfter(text="soon")), ({"date": 0}, RetryAfter(date_in=0.0))],
)
def test_retry_after_in_each_form(value: Json, expected: RetryAfter) -> None:
    """Seconds, date and text are told apart, and the schema agrees."""
    data = fault(kind="status", on="submit", code=503, retryAfter=value)
    assert parse(data).behaviours[0].faults[0].retry_after == expected
    VALIDATOR.validate(data)


_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["defaults", "behaviours", "faults", "kind", "on", "queue", "match", "params", "min", "times"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_the_schema_accepts_is_read(data: Json) -> None:
    """Whatever a file holds, it is refused with a message at a place, or is a scenario."""
    try:
        found = read("s.yaml", json.dumps(data).encode())
    except ManifestError:
        return
    with contextlib.suppress(UsageError):  # a range the wrong way round
        parse(found)


def test_every_example_of_the_documentation_is_valid() -> None:
    """The YAML blocks in docs/sandbox.md are read, satisfy the schema, and between them show every key."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        data = load(block)
        parse(data)
        VALIDATOR.validate(data)
    text = "\n".join(blocks)
    schema = json.loads(schema_text("scenario"))
    keys = {*schema["properties"]} | {key for each in schema["$defs"].values() for key in each.get("properties", {})}
    assert [key for key in sorted(keys) if f"{key}:" not in text] == []


def test_the_documentation_names_every_word() -> None:
    """Every kind, outcome and dialect has its place in docs/sandbox.md."""
    text = DOCS.read_text(encoding="utf-8")
    words = [*Kind, *Ending, *Dialect]
    assert [word.value for word in words if f"`{word.value}`" not in text] == []


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(script_name="s3 *"), True),
        (Match(script_name="SFTP*"), False),
        (Match(script_id="*"), False),
        (Match(script_name="*", file_path="*"), False),
        (Match(params=(("region", "eu-*"),)), True),
        (Match(params=(("region", "us-*"),)), False),
        (Match(params=(("zone", "*"),)), False),
        (Match(params=(("count", "3"), ("dry", "true"))), True),
    ],
)
def test_matching(match: Match, fits: bool) -> None:
    """Names match without case, everything given must fit, and numbers match as they are written."""
    params: dict[str, Json] = {"region": "eu-west", "count": 3, "dry": True}
    assert match.fits("scriptName", "S3 to SFTP relay", params) is fits


def test_paths_and_ids_match_with_case() -> None:
    """File paths and ids are compared as they are."""
    assert Match(file_path="/opt/*.syncjs").fits("filePath", "/opt/a.syncjs", {})
    assert not Match(file_path="/OPT/*").fits("filePath", "/opt/a.syncjs", {})
    assert not Match(script_id="ABC").fits("scriptId", "abc", {})


def test_the_first_match_wins() -> None:
    """Order decides, and the defaults take the rest."""
    scenario = parse(
        {
            "defaults": {"exitCode": 9},
            "behaviours": [
                {"match": {"scriptName": "a*"}, "exitCode": 1},
                {"match": {"scriptName": "ab*"}, "exitCode": 2},
            ],
        }
    )
    codes = [scenario.behaviour_for("scriptName", name, {}).exit_code for name in ("abc", "b")]
    assert codes == [1, 9]


def test_spans_draw_within_their_shape() -> None:
    """Fixed is fixed, uniform stays inside, log-normal has its median and a long tail."""
    rng = random.Random(1)  # noqa: S311 - a lot, not a key
    assert Fixed(2.0).draw(rng) == 2.0
    assert all(1.0 <= Uniform(1.0, 2.0).draw(rng) <= 2.0 for _ in range(100))
    drawn = sorted(LogNormal(2.0, 1.0).draw(rng) for _ in range(999))
    assert drawn[499] == pytest.approx(2.0, rel=0.15)
    assert drawn[-1] > 15.0
