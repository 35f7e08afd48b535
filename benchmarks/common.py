"""What the benchmarks share: measuring commands side by side, peers from npm, rows of results.

A benchmark is a module with `rows(small)`. It yields its rows as they are measured: a `Row` each, with a ratio to a
peer that was measured in the same run. `small` asks for a run of seconds that shows only that the benchmark works. At
its end stands `sys.exit(run(rows))`, so that `python -m benchmarks.NAME` prints its rows; `python -m benchmarks` all.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
BIN = Path(sys.executable).parent
AFTRUN = str(BIN / "aftrun")
"""The console script, as users call it; `python -m aftrun` takes some milliseconds longer."""
SCHEMA = ROOT / "schemas" / "manifest.schema.json"
KEY = "sandbox-key"
ENVIRON = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
ENVIRON |= {"AFT_API_KEY": KEY, "LC_ALL": "C.UTF-8"}
"""What measured commands get: nothing that changes what they do, such as `CI`, `AFTRUN_…` or a proxy."""


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio. `ours` and `theirs` are figures with their units; a `ratio` of None means that it was not measured."""

    what: str
    against: str
    ours: str
    theirs: str
    ratio: float | None
    goal: str
    """`<= 1.15` or `>= 5`; empty where a figure is only for information."""
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the goal was met; None where there was none, or nothing was measured."""
        if self.ratio is None or not self.goal:
            return None
        sign, limit = self.goal.split()
        return bool({"<=": operator.le, ">=": operator.ge}[sign](round(self.ratio, 3), float(limit)))

    def line(self) -> str:
        """For people, and for the test that looks for `ratio`."""
        ratio = "not measured" if self.ratio is None else f"ratio {self.ratio:.2f}"
        goal = f" (goal {self.goal}: {'met' if self.ok else 'MISSED'})" if self.ok is not None else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.what} against {self.against}: {self.ours} to {self.theirs}, {ratio}{goal}{note}"


Rows = Callable[[bool], Iterable[Row]]
"""What a benchmark's module has under the name `rows`."""


def skipped(what: str, against: str, goal: str, why: str) -> Row:
    """A row that could not be measured here."""
    return Row(what, against, "-", "-", None, goal, why)


@dataclass(frozen=True, slots=True)
class Command:
    """Something to measure. `code` is the exit code that it must end with."""

    argv: Sequence[str]
    environ: Mapping[str, str] | None = None
    cwd: Path | None = None
    code: int = 0


@dataclass(frozen=True, slots=True)
class Took:
    """One run of a command, with all processes that it waited for: seconds, CPU seconds, MiB of the largest of them."""

    wall: float
    cpu: float
    rss: float
    out: str


@dataclass(frozen=True, slots=True)
class Series:
    """All runs of a command."""

    runs: tuple[Took, ...]

    @property
    def best(self) -> float:
        """The wall time of the run that was disturbed least, s."""
        return min(each.wall for each in self.runs)

    @property
    def median(self) -> float:
        """The median wall time, s."""
        return statistics.median(each.wall for each in self.runs)

    @property
    def cpu(self) -> float:
        """The least CPU time, s."""
        return min(each.cpu for each in self.runs)

    @property
    def rss(self) -> float:
        """The most memory, MiB."""
        return max(each.rss for each in self.runs)


# Linux counts the memory of whoever started a process into the process's peak, so a small process starts them.
_STARTER = """
import json, os, sys, time
began = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
took = time.perf_counter() - began
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), took, used.ru_utime + used.ru_stime, used.ru_maxrss], file)
"""


def measure(command: Command) -> Took:
    """Run a command once.

    Raises:
        SystemExit: it ended otherwise than it should; its output is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="aftrun-bench-") as folder:
        figures = Path(folder) / "figures.json"
        argv = [sys.executable, "-I", "-S", "-c", _STARTER, str(figures), *command.argv]
        environ = dict(ENVIRON if command.environ is None else command.environ)
        done = subprocess.run(  # noqa: S603  # the commands of the benchmarks
            argv, env=environ, cwd=command.cwd, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
        said = done.stdout.decode(errors="replace")
        if not figures.exists():
            raise SystemExit(f"{command.argv[0]} could not be started: {done.stderr.decode(errors='replace')}")
        code, wall, cpu, rss = json.loads(figures.read_text(encoding="utf-8"))
    if code != command.code:
        both = said[-1000:] + done.stderr.decode(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command.argv)} ended with {code}:\n{both}")
    return Took(wall, cpu, rss / (1024**2 if sys.platform == "darwin" else 1024), said)


def minimal(command: str, manifest: Path, *args: str) -> Command:
    """The floor: what a program of nothing but the packages that aftrun stands on takes for the same."""
    script = ROOT / "benchmarks" / "baselines" / "minimal.py"
    return Command([sys.executable, str(script), command, manifest.name, str(SCHEMA), *args], cwd=manifest.parent)


def processor_time(pid: int) -> float:
    """The CPU seconds that a running process has used; 0 where there is no /proc."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def side_by_side(
    commands: Mapping[str, Command], rounds: int, *, warm: bool = True, between: Callable[[], None] | None = None
) -> dict[str, Series]:
    """Run commands in turns, so that what else the machine does falls on all alike.

    `warm` runs each once before, uncounted: files get into the cache, and modules are compiled. Every other round goes
    in the opposite order. `between` is called before each run.
    """
    runs: dict[str, list[Took]] = {name: [] for name in commands}
    for number in range(-1 if warm else 0, rounds):
        for name in list(commands) if number % 2 == 0 else reversed(list(commands)):
            if between is not None:
                between()
            took = measure(commands[name])
            if number >= 0:
                runs[name].append(took)
    return {name: Series(tuple(each)) for name, each in runs.items()}


def ca_file(url: str, folder: Path) -> Path:
    """The certificate of a sandbox in a file, for both sides to verify it with."""
    parts = urlsplit(url)
    path = folder / "ca.pem"
    path.write_text(ssl.get_server_certificate((parts.hostname or "", parts.port or 443)), encoding="ascii")
    return path


def node_tool(package: str, version: str, program: str, *, install: bool) -> tuple[str, ...] | str:
    """The start of a command line that runs a program of an npm package, installed if wanted; or why there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "node and npm are not installed"
    home = BUILD / "node" / f"{package}-{version}"
    script = home / "node_modules" / ".bin" / program
    if not script.exists():
        if not install:
            return f"{package}@{version} is not installed yet, and a small run installs nothing"
        home.mkdir(parents=True, exist_ok=True)
        argv = [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", f"{package}@{version}"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603  # npm, with our words
        if done.returncode:
            return f"npm could not install {package}@{version}: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
    return (node, str(script))


def environment() -> dict[str, str]:
    """Where it was measured, for the record."""
    model = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        names = [line for line in cpus.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": f"{load:.1f}",
    }


def show(rows: Iterable[Row]) -> list[Row]:
    """Print rows as they come; returns them."""
    kept: list[Row] = []
    for row in rows:
        print(row.line(), flush=True)  # noqa: T201  # the result
        kept.append(row)
    return kept


def table(rows: Sequence[Row]) -> str:
    """All rows, as a Markdown table."""
    lines = ["| what | against | ours | theirs | ratio | goal | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        verdict = {True: "met", False: "**missed**", None: ""}[row.ok]
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        cells = (row.what, row.against, row.ours, row.theirs, ratio, row.goal.replace("<=", "≤").replace(">=", "≥"))
        lines.append(f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} | {verdict} |")
    return "\n".join(lines)


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The flags of every benchmark."""
    parser.add_argument("--small", action="store_true", help="only show that it works; the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the rows to this file, too")
    return parser.parse_args()


def finish(rows: Sequence[Row], chosen: argparse.Namespace, before: Mapping[str, str]) -> int:
    """Print the table and write the file; 1 where a goal was missed, which a small run does not ask about."""
    print(f"\n{table(rows)}\n\n{before}")  # noqa: T201  # the result
    if chosen.json is not None:
        content = {"environment": dict(before), "rows": [{**asdict(row), "ok": row.ok} for row in rows]}
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(not chosen.small and any(row.ok is False for row in rows))


def run(rows: Rows) -> int:
    """The command line of one benchmark."""
    chosen = arguments(argparse.ArgumentParser())
    before = environment()
    return finish(show(rows(chosen.small)), chosen, before)
