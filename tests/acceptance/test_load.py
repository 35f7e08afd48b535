"""Many jobs against real servers: connections are used again, and a slow server does not hold up another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import aftrun
from aftrun.domain.events import Accepted, Event, JobEnded
from aftrun.domain.model import Poll
from aftrun.run import polling as looking
from aftrun.run.pool import MAX_THREADS
from aftrun.sandbox.server import Sandbox

Start = Callable[..., Sandbox]

INSTANT = {"queue": "0s", "duration": "0s"}


def test_connections_are_kept_and_used_again(sandbox: Start, tmp_path: Path) -> None:
    """300 jobs at once: a connection for each POST, and for all their reads no more than there are threads."""
    server = sandbox({"defaults": INSTANT})
    lines = [
        f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}}}",
        "strategy: {order: parallel, maxParallel: 300}",
        "jobs:",
        *(f"  - {{name: j{number}, scriptName: x}}" for number in range(300)),
    ]
    (tmp_path / "m.yaml").write_text("\n".join(lines), encoding="utf-8")
    environ = {"AFT_API_KEY": server.api_key}
    report = aftrun.apply(aftrun.load(tmp_path / "m.yaml"), environ=environ, state_dir=tmp_path / "state")
    assert report.exit_code == 0
    ledger = server.ledger()
    assert len(ledger) >= 600
    posts = [entry.connection for entry in ledger if entry.method == "POST"]
    assert len(set(posts)) == len(posts) == 300
    assert len({entry.connection for entry in ledger if entry.method == "GET"}) <= MAX_THREADS


def test_a_slow_server_does_not_hold_up_another(sandbox: Start, tmp_path: Path) -> None:
    """One server takes 3 s for each answer and has more jobs than there are threads; the other's are over by then."""
    slow, fast = sandbox({"latency": "3s"}), sandbox({"defaults": INSTANT})
    servers = {"slow": slow, "fast": fast}
    lines = ["servers:"]
    lines += [
        f"  {name}: {{url: '{each.url}', tls: {{fingerprint: '{each.fingerprint}'}}}}" for name, each in servers.items()
    ]
    lines += ["strategy: {order: parallel, maxParallel: 100}", "jobs:"]
    lines += [f"  - {{name: slow{number}, scriptName: x, server: slow, wait: false}}" for number in range(40)]
    lines += [f"  - {{name: fast{number}, scriptName: x, server: fast}}" for number in range(40)]
    (tmp_path / "m.yaml").write_text("\n".join(lines), encoding="utf-8")
    heard: list[Event] = []
    report = aftrun.apply(
        aftrun.load(tmp_path / "m.yaml"),
        environ={"AFT_API_KEY": slow.api_key},
        state_dir=tmp_path / "state",
        on_event=heard.append,
    )
    assert report.exit_code == 0
    first_slow = min(each.at for each in heard if isinstance(each, Accepted) and "/slow" in each.job)
    last_fast = max(each.at for each in heard if isinstance(each, JobEnded) and "/fast" in each.job)
    assert last_fast < first_slow


def test_past_runs_tell_when_to_look(sandbox: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run of a job knows how long the first took; one against a sandbox of its own does not."""
    asked: list[Sequence[float]] = []
    plan = looking.stops

    def stops(poll: Poll, durations: Sequence[float]) -> tuple[float, ...]:
        asked.append(durations)
        return plan(poll, durations)

    monkeypatch.setattr(looking, "stops", stops)
    server = sandbox({"defaults": {"queue": "0s", "duration": "1500ms"}})
    text = f"server: {{url: '{server.url}', tls: {{fingerprint: '{server.fingerprint}'}}}}\njobs: [{{scriptName: x}}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    manifest, environ = aftrun.load(tmp_path / "m.yaml"), {"AFT_API_KEY": server.api_key}
    for _ in range(2):
        assert aftrun.apply(manifest, environ=environ, state_dir=tmp_path / "state").exit_code == 0
    aftrun.apply(manifest, environ=environ, state_dir=tmp_path / "state", sandbox=True)
    first, second, apart = asked
    assert (first, apart) == ((), ())
    (seconds,) = second
    assert 0.9 < seconds < 5
