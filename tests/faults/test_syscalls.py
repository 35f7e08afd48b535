"""Every system call of a small run fails once: never a bug, never a second POST, never a success that was not.

strace makes the n-th call of a kind fail, of the thread that decides or of those that send. A sample of calls and
errors is tried, drawn from `AFTRUN_SYSCALLS_SEED`, as large as today's effort or `AFTRUN_SYSCALLS` says; `all` tries
every one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from tests.conftest import clean_environ, reach
from tests.effort import effort

FORKS = (sys.executable, str(Path(__file__).with_name("forks.py")))

MANIFEST = """
name: night
vars: {case: none}
strategy: {order: parallel, maxParallel: 2, failFast: false}
server: {poll: {min: 20ms}, submitTimeout: 2s, readTimeout: 2s}
defaults: {timeout: 5s, params: {case: "${{ vars.case }}"}}
jobs:
  - {name: a, scriptName: good, expect: ["status"], outputs: {id: id}}
  - {name: b, scriptName: good, params: {n: "${{ jobs.a.outputs.id }}"}, needs: [a]}
"""
SCENARIO: dict[str, Json] = {"defaults": {"queue": "0s", "duration": "20ms"}}

WANTED = os.environ.get("AFTRUN_SYSCALLS") or effort(quick="10", usual="16", full="40", long="2000")
SHARES = 100 if WANTED == "all" else 1 + int(WANTED) // 100
"""So many tests share the work, each in bounded time."""

ERRORS = ("EACCES", "ENOENT", "EMFILE", "ENOSPC", "EIO", "ENOMEM", "EINTR", "EAGAIN")
CANNOT = {
    # Memory is refused in one way only, and what cannot fail at all is left alone: glibc stops a process in which
    # these fail, and rightly so, since no kernel does that.
    **dict.fromkeys(("mmap", "mremap", "mprotect"), ("ENOMEM",)),
    "brk": (),  # it refuses by telling the old end, not by an error, which glibc takes for an address
    **dict.fromkeys(("clone3", "clone"), ("EAGAIN", "ENOMEM")),
    # No file says "nothing yet": Python gives None for it, where its own importer expects bytes.
    "read": tuple(error for error in ERRORS if error != "EAGAIN"),
    # Of a lock that is no failure, but the news that somebody else has it, which is believed (exit 75).
    "flock": tuple(error for error in ERRORS if error != "EAGAIN"),
    **dict.fromkeys(
        ("futex", "munmap", "madvise", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rseq"), ()
    ),
    "getrandom": (),  # it fails in kernels that do not have it, and nowhere else
    **dict.fromkeys(("exit", "exit_group", "set_robust_list", "getpid", "gettid", "geteuid", "getuid", "umask"), ()),
    **dict.fromkeys(("restart_syscall", "sched_yield", "set_tid_address", "sigaltstack"), ()),
}
"""Calls that do not fail with every error."""

CODES = {0, 1, 2, 3, 6, 74, 124}
"""What a run may come to whose machine failed once. 70 is not among them, nor a signal."""


@dataclass
class Case:
    """One run, in which one call failed."""

    name: str
    folder: Path
    code: int
    said: str
    injected: int
    trace: str


@dataclass
class Tally:
    """Counts over all cases."""

    calls: Counter[str] = field(default_factory=Counter)
    injected: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    resumed: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All counts on one line."""
        return (
            f"calls={sum(self.calls.values())} of {len(self.calls)} kinds, errors injected={self.injected}, "
            f"codes={dict(sorted(self.codes.items()))}, resumes={dict(sorted(self.resumed.items()))}, "
            f"wrong={len(self.wrong)}"
        )


class Lab:
    """Starts runs against one sandbox, and makes their calls fail."""

    def __init__(self, root: Path, server: Sandbox, strace: str) -> None:
        self.root, self.server, self.strace = root, server, strace
        self.forks = subprocess.Popen(FORKS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.count = 0

    def close(self) -> None:
        """Let the interpreter go."""
        self.forks.communicate()

    def order(self, folder: Path, arguments: tuple[str, ...], *, workers: bool = False) -> list[str]:
        """Start a run; the ids of who waits to be attached to."""
        environ = clean_environ(AFT_API_KEY=self.server.api_key)
        text = json.dumps({"folder": str(folder), "arguments": arguments, "environ": environ, "workers": workers})
        assert self.forks.stdin is not None
        assert self.forks.stdout is not None
        self.forks.stdin.write(text + "\n")
        self.forks.stdin.flush()
        return self.forks.stdout.readline().split()

    def ended(self) -> int:
        """Wait for the end of the run."""
        assert self.forks.stdout is not None
        return int(self.forks.stdout.readline())

    def run(self, *expressions: str, workers: bool = False) -> Case:
        """`apply`, traced, in a folder of its own."""
        self.count += 1
        name = f"case{self.count}"
        folder = self.root / name
        folder.mkdir()
        (folder / "m.yaml").write_text(MANIFEST, encoding="utf-8")
        arguments = ("apply", "m.yaml", "--var", f"case={name}", "--report-junit", "j.xml", *reach(self.server))
        ids = self.order(folder, arguments, workers=workers)
        trace = folder / "trace"
        who = [each for one in ids for each in ("-p", one)]
        follow = [] if workers else ["-f"]
        command = [self.strace, *follow, "-o", str(trace), *who, *(each for one in expressions for each in ("-e", one))]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            for _ in ids:
                line = tracer.stderr.readline()
                assert "attached" in line, line
            os.kill(self._main(ids[0]), signal.SIGUSR1)
            code = self.ended()
            tracer.stderr.read()
        text = trace.read_text(errors="replace")
        said = (folder / "stderr").read_text(errors="replace")
        return Case(name, folder, code, said, text.count("(INJECTED)"), text)

    @staticmethod
    def _main(thread: str) -> int:
        status = Path(f"/proc/{thread}/status").read_text(encoding="ascii")
        return int(re.search(r"^Tgid:\s+(\d+)", status, re.MULTILINE).group(1))  # type: ignore[union-attr]  # every process has one

    def again(self, case: Case, *arguments: str) -> int:
        """Another command in the folder of a case, with nothing failing."""
        (pid,) = self.order(case.folder, arguments)
        os.kill(int(pid), signal.SIGUSR1)
        return self.ended()

    def posts(self, case: Case) -> Counter[str]:
        """How often each job of a case was posted: `a` has no `n`."""
        found: Counter[str] = Counter()
        for entry in self.server.ledger():
            body: Any = entry.parsed
            if entry.method == "POST" and isinstance(body, dict) and body["params"].get("case") == case.name:
                found["b" if "n" in body["params"] else "a"] += 1
        return found

    def states(self, case: Case) -> dict[str, str]:
        """The ids of a case's jobs on the server, with their states there."""
        jobs = [job for job in self.server.jobs() if job.body["params"].get("case") == case.name]  # type: ignore[union-attr]  # the manifest's own bodies
        return {job.id: str(job.state.value) for job in jobs}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A sandbox, and an interpreter in which everything is loaded."""
    strace = shutil.which("strace")
    if strace is None:
        assert not os.environ.get("CI"), "CI installs strace"
        pytest.skip("strace is not installed")
    with Sandbox(parse(SCENARIO)) as server:
        made = Lab(tmp_path_factory.mktemp("syscalls"), server, strace)
        try:
            calm = made.run("trace=getcwd")
            if not calm.trace and "ptrace" in calm.said:
                pytest.skip("this machine lets nobody trace")
            yield made
        finally:
            made.close()


def counted(case: Case) -> Counter[str]:
    """The calls of the thread that was attached to first, by kind, and for several the most of any."""
    threads: dict[str, Counter[str]] = {}
    for line in case.trace.splitlines():
        found = re.match(r"(?:(\d+) +)?(\w+)\(", line)
        if found:
            threads.setdefault(found.group(1) or "", Counter())[found.group(2)] += 1
    result: Counter[str] = Counter()
    for counts in threads.values():
        result |= counts
    return result


def judge(lab: Lab, case: Case, tally: Tally) -> None:
    """Hold a case against the server's ledger, then resume it, and hold that against the ledger too."""

    def wrong(what: str) -> None:
        tally.wrong.append(f"{case.folder}: {what}\n{case.said}")

    posts, states = lab.posts(case), lab.states(case)
    tally.codes[case.code] += 1
    tally.injected += case.injected
    if case.code not in CODES:
        wrong(f"exit code {case.code}")
    if "Traceback" in case.said or "a bug in aftrun" in case.said:
        wrong("a bug")
    if any(count > 1 for count in posts.values()):
        wrong(f"posted twice: {posts}")
    if case.code == 0 and (sorted(states.values()) != ["succeeded"] * 2):
        wrong(f"exit code 0, and the server says {states}")
    if case.code in (2, 3) and states:
        wrong(f"exit code {case.code}, and the server has {states}")
    truthful(case, states, wrong)
    recorded = (case.folder / ".aftrun" / "runs").is_dir()
    if posts and not recorded:
        wrong("posted without a record")
    code = lab.again(case, "resume")
    tally.resumed[code] += 1
    said = (case.folder / "stderr").read_text(errors="replace")
    if code not in CODES or "a bug in aftrun" in said:
        wrong(f"the resume ended with {code}: {said}")
    posts = lab.posts(case)
    if any(count > 1 for count in posts.values()):
        wrong(f"posted twice by the resume: {posts}")
    truthful(case, lab.states(case), wrong)


def truthful(case: Case, states: dict[str, str], wrong: Any) -> None:
    """What the report says succeeded did."""
    for path in (case.folder / ".aftrun" / "runs").glob("*/report.json"):
        for job in json.loads(path.read_text(encoding="utf-8"))["jobs"]:
            if job["outcome"] == "succeeded" and states.get(job["jobId"]) != "succeeded":
                wrong(f"{job['name']} is succeeded in the report, and the server says {states}")


def plans(lab: Lab, tally: Tally) -> list[tuple[bool, str, int, str]]:
    """All calls that can be made to fail: of whom, which, the how-manieth, with what."""
    found: list[tuple[bool, str, int, str]] = []
    for workers in (False, True):
        calm = lab.run("trace=all", workers=workers)
        assert calm.code == 0, calm.said
        for call, count in sorted(counted(calm).items()):
            tally.calls[call] += count
            errors = CANNOT.get(call, ERRORS)
            found += [(workers, call, number, error) for number in range(1, count + 1) for error in errors]
    return found


def sample(found: list[tuple[bool, str, int, str]], random: Random, size: int) -> list[tuple[bool, str, int, str]]:
    """One of each kind of call in turn, until there are enough."""
    kinds: dict[tuple[bool, str], list[tuple[bool, str, int, str]]] = {}
    for each in found:
        kinds.setdefault(each[:2], []).append(each)
    order = sorted(kinds)
    chosen: list[tuple[bool, str, int, str]] = []
    while len(chosen) < min(size, len(found)):
        random.shuffle(order)
        for kind in order:
            if kinds[kind] and len(chosen) < size:
                chosen.append(kinds[kind].pop(random.randrange(len(kinds[kind]))))
    return chosen


@pytest.mark.parametrize("share", range(SHARES))
def test_every_system_call_fails_once(lab: Lab, share: int) -> None:
    """Whatever the machine refuses: a plain error with its own code, at most one POST, the truth, and a resume."""
    tally = Tally()
    found = plans(lab, tally)
    seed = int(os.environ.get("AFTRUN_SYSCALLS_SEED", "1"))
    chosen = found if WANTED == "all" else sample(found, Random(seed), int(WANTED))  # noqa: S311  # a test's dice
    chosen = chosen[share::SHARES]
    for workers, call, number, error in chosen:
        case = lab.run(f"trace={call}", f"inject={call}:error={error}:when={number}", workers=workers)
        before = len(tally.wrong)
        judge(lab, case, tally)
        if len(tally.wrong) > before:
            tally.wrong[-1] = f"{call} {number} {error} {'of a worker' if workers else ''}\n{tally.wrong[-1]}"
        else:
            shutil.rmtree(case.folder)
    print(f"seed {seed}: {len(found)} possible, {len(chosen)} tried, {tally.line()}")  # noqa: T201  # the figures
    assert not tally.wrong, "\n\n".join(tally.wrong)
