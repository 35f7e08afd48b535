"""The corpus: every valid file means what it says, every invalid one gets exactly its message."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from aftrun.domain.errors import ManifestError, Severity
from aftrun.domain.model import Job, Json, Manifest, ServerSpec
from aftrun.domain.values import Lookup, Template, Value
from aftrun.manifest import bind, load_all
from aftrun.manifest.check.diagnostics import CODES, render
from aftrun.run.plan import Task, make_plan, shown_request, waves
from aftrun.run.preview import url_of
from aftrun.run.render import lookup_for

CORPUS = Path(__file__).parents[2] / "manifests"
VALID = sorted((CORPUS / "valid").glob("*.yaml"))
INVALID = sorted((CORPUS / "invalid").glob("*.yaml"))
ENVIRON = {"AFT_API_KEY": "k"}

# To write the expectations anew after a change of wording: AFTRUN_CORPUS=write pytest …, then read the diff.
WRITE = os.environ.get("AFTRUN_CORPUS") == "write"


def _text(value: Value | None) -> Json:
    return (
        [str(getattr(part, "path", getattr(part, "key", part))) for part in value.parts]
        if isinstance(value, Template)
        else value
    )


def _job(job: Job) -> Json:
    default = Job(name="", script=job.script, origin=job.origin)
    result: dict[str, Json] = {
        "name": job.name,
        job.script.selector.value: _text(job.script.value),
        "params": {param.name: [_text(param.value), param.kind.value] for param in job.params},
    }
    names = (
        "needs", "tags", "matrix", "template", "server", "when", "wait", "timeout", "queue_timeout", "retry",
        "on_ambiguous", "expect", "outputs", "allow_failure", "concurrency", "correlation", "once", "description",
    )  # fmt: skip
    for name in names:
        value = getattr(job, name)
        if value != getattr(default, name):
            value = _text(value) if name == "once" else value
            result[name] = value if isinstance(value, str | int | float) else json.loads(_plain(value))
    return result


def _plain(value: object) -> str:
    def convert(item: object) -> object:
        return {name: getattr(item, name) for name in item.__slots__}  # type: ignore[attr-defined] # a dataclass

    return json.dumps(value, default=convert)


def _server(server: ServerSpec) -> Json:
    tls = server.tls
    result: dict[str, Json] = {"name": server.name, "url": _text(server.url), "apiKey": _text(server.api_key)}
    for name in ("ca_file", "cert_file", "key_file"):
        if getattr(tls, name) is not None:
            result[name] = _text(getattr(tls, name))
    if tls.fingerprints:
        result["fingerprints"] = [_text(each) for each in tls.fingerprints]
    for name in (
        "connect_timeout", "read_timeout", "submit_timeout", "max_requests_per_second", "poll", "submit_path",
        "status_path", "job_info", "typed_params",
    ):  # fmt: skip
        value = getattr(server, name)
        if value != getattr(ServerSpec(), name):
            result[name] = json.loads(_plain(value))
    if server.headers:
        result["headers"] = {name: _text(value) for name, value in server.headers}
    return result


def summary(manifest: Manifest) -> Json:
    """A manifest as JSON for people to compare: what differs from the defaults."""
    strategy = manifest.strategy
    beside = [strategy.overlap.value, strategy.unfinished.value]
    return {
        "name": manifest.name,
        "vars": {name: _text(value) for name, value in manifest.vars},
        "strategy": [
            *(strategy.order.value, strategy.max_parallel, strategy.fail_fast, strategy.finish_by),
            *(beside if beside != ["refuse", "refuse"] else []),
        ],
        "notify": [_text(url) for url in manifest.notify.urls],
        "servers": [_server(server) for server in manifest.servers],
        "jobs": [_job(job) for job in manifest.jobs],
    }


def planned(manifests: Sequence[Manifest]) -> Json:
    """What a run would send and in which order, with everything from outside and from the run as it was written."""
    plan = make_plan(manifests)
    return {
        "waves": [[[task.job.name for task in layer] for layer in stage] for stage in waves(plan)],
        "requests": [[url_of(plan.servers[task.server]), shown_request(task, _known(task))] for task in plan.tasks],
    }


def _known(task: Task) -> Lookup:
    return lookup_for(task, None, {}, lambda _: None)


def portable(text: str) -> str:
    """Text with the paths of included files as POSIX writes them."""
    return re.sub(r"\bparts\\{1,2}", "parts/", text)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid file loads, means what the JSON beside it says, and has the plan that stands there."""
    monkeypatch.chdir(path.parent)
    loaded = load_all([path.name], environ=ENVIRON)
    found = {
        "warnings": [f"{p.line}:{p.column} {p.code}" for p in loaded.warnings],
        "manifests": [summary(manifest) for manifest in loaded.manifests],
        "plan": planned(loaded.manifests),
    }
    expected = path.with_suffix(".json")
    if WRITE:
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(portable(json.dumps(found))) == json.loads(expected.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid file is refused with exactly the text beside it, which holds no secret."""
    monkeypatch.chdir(path.parent)
    files: tuple[tuple[str, bytes], ...] = ()
    with pytest.raises(ManifestError) as caught:  # noqa: PT012 - either of the two may refuse it
        loaded = load_all([path.name], environ=ENVIRON)
        files = loaded.files
        bind(loaded.manifests, ENVIRON)
    text = render(caught.value.problems, caught.value.files or files) + "\n"
    expected = path.with_suffix(".txt")
    if WRITE:
        expected.write_text(text, encoding="utf-8")
    assert portable(text) == expected.read_text(encoding="utf-8")
    assert "hunter2" not in text


def test_every_code_is_used() -> None:
    """Each code of the table stands in some expectation, so that none is dead and none is untested."""
    texts = "".join(path.read_text(encoding="utf-8") for path in CORPUS.rglob("*.txt"))
    texts += "".join(path.read_text(encoding="utf-8") for path in (CORPUS / "valid").glob("*.json"))
    by_a_policy = {"AFT070"}  # see tests/acceptance/test_policy.py
    assert [code for code in CODES if code not in texts and code not in by_a_policy] == []


def test_size_of_the_corpus() -> None:
    """It does not shrink unnoticed."""
    assert len(INVALID) >= 80
    assert len(VALID) >= 40


def test_warnings_are_from_100_on() -> None:
    """The number of a code tells how bad it is."""
    for path in INVALID:
        for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
            for severity in Severity:
                if f": {severity}[AFT" in line:
                    code = line.partition(f"{severity}[")[2][:6]
                    assert (code >= "AFT100") == (severity is Severity.WARNING)
