"""Scenario files: what is read, what is refused and in which words, and the schema's agreement."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.errors import UsageError
from aftrun.domain.model import Json
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


WRONG: list[tuple[Json, str, str]] = [
    ([], "scenario: should be a mapping of keys to values, but is a list", "docs/sandbox.md"),
    ({"behaviors": []}, 'behaviors: unknown key; did you mean "behaviours"?', "keys here: defaults, behaviours"),
    ({"behaviours": {}}, "behaviours: should be a list, but is a mapping", ""),
    ({"behaviours": ["x"]}, 'behaviours[0]: should be a mapping of keys to values, but is the text "x"', ""),
    ({"behaviours": [{"mach": {}}]}, 'behaviours[0].mach: unknown key; did you mean "match"?', "outcome"),
    (
        {"behaviours": [{}, {}, {"faults": [{"kind": "rset", "on": "submit"}]}]},
        'behaviours[2].faults[0].kind: the text "rset" is not known here; did you mean "reset"?',
        "write one of: reset, close, status",
    ),
    ({"behaviours": [{"outcome": 3}]}, "behaviours[0].outcome: the number 3 is not known here", "succeeded, failed"),
    ({"behaviours": [{"match": {"params": []}}]}, "behaviours[0].match.params: should be a mapping of param", ""),
    ({"behaviours": [{"match": {"params": {"a": None}}}]}, "behaviours[0].match.params.a: should be a glob", ""),
    ({"behaviours": [{"match": {"scriptName": 3}}]}, "behaviours[0].match.scriptName: should be a text (in quotes", ""),
    ({"behaviours": [{"outputs": []}]}, "behaviours[0].outputs: should be a mapping of fields", ""),
    ({"behaviours": [{"exitCode": "1"}]}, "behaviours[0].exitCode: should be a whole number from", ""),
    ({"behaviours": [{"flaky": {"failFirst": -1}}]}, "behaviours[0].flaky.failFirst: should be a whole number", ""),
    ({"behaviours": [{"queue": 2}]}, "behaviours[0].queue: the number 2 has no unit", "write 2s"),
    ({"behaviours": [{"queue": "2"}]}, 'behaviours[0].queue: "2" has no unit; write for example 2s', ""),
    ({"behaviours": [{"queue": "soon"}]}, 'behaviours[0].queue: "soon" is not a length of time', ""),
    ({"behaviours": [{"queue": True}]}, "behaviours[0].queue: should be a length of time such as 500ms", ""),
    ({"behaviours": [{"duration": {"min": "1s"}}]}, "behaviours[0].duration: needs either min and max, or", "{min: 1s"),
    (
        {"behaviours": [{"duration": {"min": "1s", "max": "2s", "sigma": 1}}]},
        "behaviours[0].duration: needs either",
        "",
    ),
    ({"behaviours": [{"duration": {"median": "1s", "max": "2s"}}]}, "behaviours[0].duration.max: unknown key", ""),
    ({"behaviours": [{"duration": {"median": "1s", "sigma": 9}}]}, "behaviours[0].duration.sigma: should be a num", ""),
    ({"defaults": {"match": {}}}, "defaults.match: the defaults are for everything", "move it to an item"),
    ({"outages": [{"after": "1s"}]}, "outages[0]: has no `for`, so it would never end", "for: 2s"),
    ({"scripts": [None]}, "scripts[0]: should be the name, id or path of a script, but is nothing (null)", ""),
    ({"scripts": [""]}, 'scripts[0]: should be the name, id or path of a script, but is the text ""', ""),
    ({"workers": 0}, "workers: should be a whole number from 1 to 1000000, but is the number 0", ""),
    ({"seed": True}, "seed: should be a whole number from", ""),
    ({"rateLimit": "5"}, "rateLimit: should be a number from 0.001", ""),
    (fault(on="submit"), "behaviours[0].faults[0]: has no `kind`", "write one of: reset"),
    (fault(kind="reset"), "behaviours[0].faults[0]: has no `on`", "write on: submit or on: status"),
    (fault(kind="reset", on="post"), 'behaviours[0].faults[0].on: the text "post" is not known here', "submit, status"),
    (fault(kind="reset", on="connect"), "behaviours[0].faults[0].on: only the kind cut strikes connections", ""),
    (fault(kind="cut"), "behaviours[0].faults[0]: a cut comes before there is a request", "move it to defaults.faults"),
    ({"defaults": {"faults": [{"kind": "cut", "on": "submit"}]}}, "defaults.faults[0].on: a cut comes before", ""),
    (fault(kind="status", on="submit"), "behaviours[0].faults[0]: the kind status needs `code`", ""),
    (fault(kind="redirect", on="submit"), "behaviours[0].faults[0]: the kind redirect needs `to`", ""),
    (fault(kind="reset", on="submit", code=500), "behaviours[0].faults[0].code: the kind reset has no such", "status"),
    (fault(kind="reset", on="submit", tmes=2), 'behaviours[0].faults[0].tmes: unknown key; did you mean "times"?', ""),
    (fault(kind="reset", on="submit", times=0), "behaviours[0].faults[0].times: should be a whole number from 1", ""),
    (fault(kind="reset", on="submit", chance=2), "behaviours[0].faults[0].chance: should be a number from 0 to 1", ""),
    (fault(kind="reset", on="status", strikes="after"), "behaviours[0].faults[0].strikes: reading a status has no", ""),
    (fault(kind="status", on="submit", code=99), "behaviours[0].faults[0].code: should be a whole number from 200", ""),
    (
        fault(kind="status", on="submit", code=503, retryAfter="2"),
        "behaviours[0].faults[0].retryAfter: should be a whole number of seconds",
        "retryAfter: 2",
    ),
    (fault(kind="status", on="submit", code=503, retryAfter={"date": 2}), "retryAfter.date: the number 2 has no", ""),
]


@pytest.mark.parametrize(("data", "message", "hint"), WRONG, ids=[message[:60] for _, message, _ in WRONG])
def test_says_what_is_wrong_where_and_what_would_be_right(data: Json, message: str, hint: str) -> None:
    """Each mistake is named with its path, cause and remedy, and the schema refuses it too."""
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        parse(data)
    assert hint in caught.value.hint
    assert caught.value.hint
    assert not VALIDATOR.is_valid(data)


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
def test_never_raises_anything_but_its_own_error(data: Json) -> None:
    """Whatever a file holds, it is read or refused with a message; and what the schema refuses is never read."""
    try:
        parse(data)
    except UsageError:
        return
    VALIDATOR.validate(data)


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
