"""Records state folders with the aftrun that is installed: `record.py FOLDER`, in an empty working folder.

Run it once for each version that is published, from a checkout of that version, and never again: the folders are what
later versions must be able to read. Job ids are those of the sandbox's `numeric` dialect, 1001 and up in order of
submission, so that a test can make the same jobs anew on a server of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox

SERVER = (
    'server: {url: "${AFT_URL}", tls: {fingerprint: "${AFT_PIN}"}, poll: {min: 50ms, max: 200ms}, submitTimeout: 2s,\n'
    '  jobInfo: {states: {queued: ["0"], running: ["1"], succeeded: ["2"], failed: ["3"], cancelled: ["4"]}}}\n'
)
NIGHT = f"""name: night
{SERVER}strategy: {{order: parallel, maxParallel: 4}}
jobs:
  - {{name: quick, scriptName: quick, outputs: {{file: file}}}}
  - {{name: long, scriptName: long, params: {{day: "${{{{ run.date }}}}", token: "${{TOKEN}}"}}}}
  - {{name: lost, scriptName: slow}}
  - {{name: later, scriptName: quick, needs: [quick, long], params: {{file: "${{{{ jobs.quick.outputs.file }}}}"}}}}
"""
PAIR = f"name: pair\n{SERVER}jobs: [{{name: one, scriptName: {{}}}}, {{name: two, scriptName: quick}}]\n"


def pair(first: str) -> str:
    """Two jobs, one after the other; the first runs this script."""
    return PAIR.replace("{}", first)


SCENARIO: dict[str, Json] = {
    "defaults": {"dialect": "numeric", "queue": "0s", "duration": "20ms"},
    "behaviours": [
        {"match": {"scriptName": "quick"}, "outputs": {"file": "a.csv"}},
        {"match": {"scriptName": "long"}, "outcome": "stuck"},
        {"match": {"scriptName": "slow"}, "faults": [{"on": "submit", "kind": "hang", "strikes": "after"}]},
        {"match": {"scriptName": "flaky"}, "flaky": {"failFirst": 1}},
        {"match": {"scriptName": "bad"}, "outcome": "failed"},
        {
            "match": {"scriptName": "secret"},
            "faults": [{"on": "status", "kind": "status", "code": 403, "times": "always"}],
        },
    ],
}


def main() -> None:
    """Record one folder for each way in which a run can stand."""
    target = Path(sys.argv[1])
    for name, text, steps in (
        ("killed", NIGHT, (kill,)),
        ("interrupted", pair("long"), (interrupt,)),
        ("finished", pair("quick"), (apply,)),
        ("failed", pair("bad"), (apply,)),
        ("retried", pair("flaky"), (apply, retry)),
        ("refused", pair("secret"), (apply,)),
    ):
        Path("m.yaml").write_text(text, encoding="utf-8")
        with Sandbox(parse(SCENARIO)) as server:
            for step in steps:
                step(server)
        for path in Path(".aftrun").rglob("*-shm"):
            path.unlink()  # shared memory, which SQLite makes anew
        shutil.move(".aftrun", target / name)


def begin(server: Sandbox, *arguments: str) -> subprocess.Popen[bytes]:
    """The program, going on in the background."""
    values = {"AFT_URL": server.url, "AFT_PIN": server.fingerprint, "AFT_API_KEY": server.api_key, "TOKEN": "t-0815"}
    environ = {"PATH": os.environ["PATH"], "TZ": "UTC", "NO_PROXY": "*", **values}
    return subprocess.Popen([sys.executable, "-m", "aftrun", *arguments, "-o", "none"], env=environ)


def apply(server: Sandbox) -> None:
    """A run to its end."""
    begin(server, "apply", "m.yaml").wait()


def retry(server: Sandbox) -> None:
    """A retry of it."""
    begin(server, "retry").wait()


def interrupt(server: Sandbox) -> None:
    """A run that is told to stop while its first job runs."""
    process = begin(server, "apply", "m.yaml")
    until(process, lambda: any(entry.method == "GET" for entry in server.ledger()))
    process.send_signal(signal.SIGINT)
    process.wait()


def kill(server: Sandbox) -> None:
    """A run that is killed while one job runs and the answer to another POST is awaited."""
    process = begin(server, "apply", "m.yaml")
    until(process, lambda: len(server.jobs()) == 3 and sum(entry.method == "GET" for entry in server.ledger()) >= 6)
    process.kill()
    process.wait()


def until(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Wait for the program to get somewhere."""
    while not condition():
        if process.poll() is not None:
            raise SystemExit(f"it ended with {process.returncode}")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
