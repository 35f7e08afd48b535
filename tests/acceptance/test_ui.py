"""`aftrun ui`: who is answered, with what, and that nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aftrun.sandbox.server import Sandbox
from tests.conftest import Run
from tests.records import database
from tests.ui import Answer, Served, serving

Start = Callable[..., Sandbox]

NAME = "<script>alert(1)<img src=x onerror=alert(2)>\"'`"
"""Markup that may be a name, in which no slash can be."""
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`"


@pytest.fixture
def record(sandbox: Start, aftrun: Run, tmp_path: Path) -> str:
    """A run in which every text that a stranger can write holds markup; returns its id."""
    behaviours = [{"match": {"scriptName": MARKUP}, "outcome": "failed", "message": MARKUP}]
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms"}, "behaviours": behaviours})
    job = {
        "name": NAME,
        "scriptName": MARKUP,
        "description": MARKUP,
        "tags": [MARKUP],
        "params": {MARKUP: MARKUP, "token": "${TOKEN}"},
    }
    jobs = [job, {"name": "after", "scriptName": "x", "needs": [NAME]}]
    (tmp_path / "m.json").write_text(json.dumps({"version": 1, "name": NAME, "jobs": jobs}), encoding="utf-8")
    done = aftrun("apply", "m.json", server=server, env={"TOKEN": "token-value-0815", "AFT_API_KEY": server.api_key})
    assert done.code == 1, done.err
    (run,) = (path.name for path in (tmp_path / ".aftrun" / "runs").iterdir())
    return run


@pytest.fixture
def served(record: str, tmp_path: Path) -> Iterator[Served]:
    """The server of that record."""
    with serving(tmp_path) as found:
        yield found


def held_to_its_policy(answer: Answer) -> None:
    """What every answer says to a browser."""
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_pages_hold_texts_and_no_secret(served: Served, record: str) -> None:
    """Of all runs and of one, and their news."""
    base = urlsplit(served.url).path
    for path in (base, f"{base}0/", f"{base}0/run/{record}/"):
        answer = served.ask(path)
        assert answer.status == 200
        held_to_its_policy(answer)
        assert "<script>alert" not in answer.body
        assert "<img" not in answer.body
        assert answer.body.count("<script") == 3
        assert "token-value-0815" not in answer.body
        assert "sandbox-key" not in answer.body
    answer = served.ask(f"{base}0/run/{record}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    held_to_its_policy(answer)
    news = json.loads(answer.body.removeprefix("data: "))
    assert news["word"] == "failed"
    assert "token-value-0815" not in answer.body
    assert served.ask(f"{base}0/", "HEAD").body == ""


def test_who_lacks_the_token_gets_nothing(served: Served, record: str) -> None:
    """Whatever stands in its place, and wherever else it stands."""
    token = served.token
    wrong = ["", "x", token[:-1], f"{token}x", token.swapcase(), "%00", "é", "..", f"../{token}", "a" * 6000]
    paths = ["/", "/0/", f"/0/run/{record}/", f"/?token={token}", "/favicon.ico", "//", f"//{token}/"]
    for path in [*paths, *(f"/{each}/0/run/{record}/" for each in wrong)]:
        answer = served.ask(path.encode("latin-1").decode("latin-1") if path.isascii() else "/%C3%A9/")
        assert answer.status in (400, 404), path
        assert record not in answer.body
        assert token not in answer.body
    answer = served.ask("/", Authorization=f"Bearer {token}", Cookie=f"token={token}")
    assert answer.status == 404


HOSTS = [
    "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost", "0.0.0.0:{port}",
    "127.0.0.1.evil.example:{port}", "[::1]:{port}", "127.0.0.1:{port}.", "", "127.1:{port}",
]  # fmt: skip


def test_a_name_that_was_made_to_point_here_gets_nothing(served: Served, record: str) -> None:
    """DNS rebinding: the right token under a foreign name."""
    place = urlsplit(served.url)
    for host in HOSTS:
        answer = served.ask(f"{place.path}0/run/{record}/", host=host.format(port=place.port))
        assert answer.status in (400, 403), host
        assert record not in answer.body
    assert served.ask(f"{place.path}0/", host=f"localhost:{place.port}").status == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
]


def test_other_sites_get_nothing(served: Served, record: str) -> None:
    """Not even with the token."""
    place = urlsplit(served.url)
    for headers in FOREIGN:
        answer = served.ask(f"{place.path}0/run/{record}/", **headers)
        assert answer.status == 403, headers
        assert record not in answer.body
        held_to_its_policy(answer)
    own = served.ask(f"{place.path}0/", Origin=f"http://{place.netloc}", Sec_Fetch_Site="same-origin")
    assert own.status == 200


def test_nothing_can_be_changed(served: Served) -> None:
    """Only GET and HEAD are answered."""
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "BREW"):
        assert served.ask(f"{urlsplit(served.url).path}0/", method).status in (400, 405), method


def test_paths_lead_to_pages_alone(served: Served, record: str, tmp_path: Path) -> None:
    """No file can be named, however the way to it is written."""
    (tmp_path / "secret.txt").write_text("the secret", encoding="utf-8")
    base = urlsplit(served.url).path
    ways = [
        "..",
        "../..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e",
        "..%5c..",
        "....//....//",
        "%252e%252e",
        "/etc/passwd",
        "\\etc",
        "~",
    ]
    ends = ["", "/secret.txt", "/state.db", "/.aftrun/state.db", "/runs/{run}/report.json", "/owner"]
    for way in ways:
        for end in ends:
            for start in (base, f"{base}0/", f"{base}0/run/", f"{base}0/run/{record}/"):
                answer = served.ask(f"{start}{way}{end.format(run=record)}")
                assert answer.status in (400, 404), (start, way, end)
                assert "the secret" not in answer.body
                assert "SQLite" not in answer.body
    for place in ("1", "-1", "99999999999999999999", "0x0", "%D9%A0", "%00", "0%20"):
        assert served.ask(f"{base}{place}/").status in (400, 404), place


def test_nothing_is_written(record: str, tmp_path: Path) -> None:
    """Not a byte, nor a time, in the state folder, however much is read."""

    def state() -> dict[str, tuple[int, int, bytes]]:
        found = {}
        for path in sorted((tmp_path / ".aftrun").rglob("*")):
            seen = path.stat()
            found[str(path)] = (seen.st_mtime_ns, seen.st_size, path.read_bytes() if path.is_file() else b"")
        return found

    before = state()
    with serving(tmp_path) as served:
        base = urlsplit(served.url).path
        for path in (base, f"{base}0/", f"{base}0/run/{record}/", f"{base}0/run/{record}/events", f"{base}0/events"):
            assert served.ask(path).status == 200
    assert state() == before


def test_several_folders_and_one_that_is_not_mine(record: str, aftrun: Run, tmp_path: Path) -> None:
    """Each has its pages; what was not made here for this user is believed only on request; none is an empty page."""
    (tmp_path / "empty").mkdir()
    with serving(tmp_path, "--state-dir", ".aftrun", "--state-dir", "empty", "--state-dir", "none") as served:
        index = served.ask(urlsplit(served.url).path)
        assert [f'href="{place}/"' in index.body for place in range(4)] == [True, True, True, False]
        held_to_its_policy(index)
        assert record in served.ask(f"{urlsplit(served.url).path}0/").body
        assert "no runs" in served.ask(f"{urlsplit(served.url).path}1/").body
        assert served.ask(f"{urlsplit(served.url).path}3/").status == 404
    assert not (tmp_path / "none").exists()
    os.rename(tmp_path / ".aftrun", tmp_path / "copied")  # noqa: PTH104  # as in a checkout
    refused = aftrun("ui", "--state-dir", "copied")
    assert refused.code == 2
    assert "--trust-state" in refused.err
    with serving(tmp_path, "--state-dir", "copied", "--trust-state") as served:
        assert record in served.ask(f"{urlsplit(served.url).path}0/").body


def test_a_damaged_record_is_said(record: str, tmp_path: Path) -> None:
    """In words, with 503; the server goes on."""
    with serving(tmp_path) as served:
        base = urlsplit(served.url).path
        with database(tmp_path / ".aftrun" / "state.db") as db:
            db.execute("UPDATE events SET body = 'x'")
        db.close()
        for path in (tmp_path / ".aftrun" / "runs").glob("*/journal.ndjson"):
            path.write_text("x", encoding="utf-8")
        answer = served.ask(f"{base}0/run/{record}/")
        assert answer.status == 503
        assert answer.body.strip() == "the record of the run is empty"
        assert served.ask(f"{base}0/").status == 200


def test_a_port_that_is_taken(served: Served, aftrun: Run) -> None:
    """A usage error with a remedy."""
    done = aftrun("ui", "--port", str(urlsplit(served.url).port))
    assert done.code == 2
    assert "--port" in done.err
