"""A machine that gives too little, or puts things oddly: a plain error with its own code, and never a bug of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import pytest

from aftrun.report.registry import FORMATS
from aftrun.sandbox.server import Sandbox
from tests.conftest import FAST, clean_environ, launch, program, reach
from tests.effort import alike
from tests.waiting import HANG
from tests.warm import Warm

if sys.platform == "win32":
    pytest.skip("POSIX: folders without rights, names that are not text, /dev/full, limits", allow_module_level=True)
else:
    import resource

Start = Callable[..., Sandbox]
Argument = str | bytes

CIS: Mapping[str, Mapping[str, str]] = {
    "none": {},
    "github": {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": "/",
        "GITHUB_OUTPUT": "{0}/output",
        "GITHUB_STEP_SUMMARY": "{0}/summary",
    },
    "gitlab": {"GITLAB_CI": "true"},
    "azure": {"TF_BUILD": "True", "BUILD_SOURCESDIRECTORY": "/"},
    "teamcity": {"TEAMCITY_VERSION": "1"},
}


@dataclass(frozen=True)
class Said:
    """What a process came to."""

    code: int
    out: bytes
    err: str


def run(
    *arguments: Argument,
    folder: Path,
    env: Mapping[str, Argument] | None = None,
    before: Sequence[str] = (),
    limit: tuple[int, int] | None = None,
    warm: Warm | None = None,
    full: Sequence[int] = (),
) -> Said:
    """Run the program, which must end in a way that the contract knows, with words for people.

    `before` and `limit` make its process another one; without, it may come out of `warm`. The streams of these numbers
    are `full`: nothing can be written to them.
    """
    environ = {name: os.fsdecode(value) for name, value in {**clean_environ(), **(env or {})}.items()}
    with ExitStack() as stack:
        streams: list[BinaryIO] = []
        for number in (0, 1, 2):
            named = Path("/dev/full" if number in full else os.devnull) if number in (0, *full) else None
            opened: Any = TemporaryFile() if named is None else named.open("rb" if number == 0 else "wb")  # noqa: SIM115  # the stack closes it
            streams.append(stack.enter_context(opened))
        given, out, err = streams
        if before or limit is not None:
            code = subprocess.run(
                [*before, *program(), *arguments],
                cwd=folder,
                env=environ,
                stdin=given,
                stdout=out,
                stderr=err,
                check=False,
                timeout=HANG,
                preexec_fn=None if limit is None else lambda: resource.setrlimit(limit[0], (limit[1], limit[1])),
            ).returncode
        else:
            code = launch(warm, [os.fsdecode(each) for each in arguments], folder, environ, (given, out, err))
        said = []
        for number, stream in ((1, out), (2, err)):
            if number not in full:
                stream.seek(0)
            said.append(b"" if number in full else stream.read())
    words = said[1].decode(errors="replace")
    assert code not in (70, 120), words
    assert code >= 0, words
    assert "Traceback" not in words
    assert "a bug in aftrun" not in words
    return Said(code, said[0], words)


def powerless() -> Sequence[str]:
    """What takes away root's right to enter any folder; nothing for anybody else."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root enters every folder, and setpriv is not installed")
    rights = "-dac_override,-dac_read_search"
    return (setpriv, "--bounding-set", rights, "--inh-caps", rights)


# --- folders that this user may not enter ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code"),
    alike(
        [
            ("validate locked", 2),
            ("validate locked/m.yaml", 2),
            ("validate --format json locked/m.yaml", 2),
            ("plan locked/m.yaml", 2),
            ("apply locked", 2),
            ("apply m.yaml locked/m.yaml", 2),
            ("apply --dry-run locked/m.yaml", 2),
            ("apply m.yaml --env-file locked/env", 2),
            ("apply m.yaml --cacert locked/ca.pem", 2),
            ("apply m.yaml --state-dir locked", 74),
            ("apply m.yaml --state-dir locked/state", 74),
            ("apply m.yaml --events locked/events", 74),
            ("start -n x --state-dir locked/state", 74),
            ("doctor locked/m.yaml", 2),
            ("history --state-dir locked", 2),
            ("show --state-dir locked/state", 2),
            ("report --state-dir locked", 2),
            ("resume --state-dir locked", 2),
            ("retry --state-dir locked/state", 2),
            ("import locked/x.sh", 2),
            ("init locked/m.yaml", 2),
            ("sandbox --scenario locked/s.yaml", 2),
            ("wait x --cacert locked/ca.pem", 2),
            ("status x --cacert locked/ca.pem", 2),
        ]
    ),
)
def test_a_folder_that_may_not_be_entered(sandbox: Start, tmp_path: Path, line: str, code: int) -> None:
    """Every command that takes a path: the path, the system's own words, exit 2 or 74, and nothing was sent."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    (tmp_path / "locked").mkdir(mode=0)
    takes_server = line.split(maxsplit=1)[0] in ("apply", "start", "wait", "status") and "cacert" not in line
    words = [*line.split(), *(reach(server) if takes_server else ("--server", server.url) if "cacert" in line else ())]
    try:
        said = run(*words, folder=tmp_path, env={"AFT_API_KEY": server.api_key}, before=powerless())
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert said.code == code, said.err
    assert "locked" in said.err + said.out.decode()
    assert server.ledger() == ()


# --- names that are not UTF-8 ---------------------------------------------------------------------------------------

ODD = b"n\xffacht"


def odd_manifest(folder: Path, text: str) -> bytes:
    """A manifest whose name is no text."""
    name = ODD + b".yaml"
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(text, encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes only names that are text")
    return name


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_a_name_that_is_no_text_is_checked(warm: Warm | None, tmp_path: Path, form: str) -> None:
    """`validate`, in every format, shows it escaped."""
    said = run("validate", odd_manifest(tmp_path, "scriptNam: x\n"), "--format", form, folder=tmp_path, warm=warm)
    assert said.code == 2
    assert {"text": "n\\udcffacht", "sarif": "n%FFacht"}.get(form, "udcff") in said.err + said.out.decode()
    if form in ("json", "sarif"):
        json.loads(said.out)


@pytest.mark.parametrize("form", ["text", "json", "curl", "powershell"])
def test_a_name_that_is_no_text_is_planned(warm: Warm | None, tmp_path: Path, form: str) -> None:
    """`plan`, in every format."""
    assert (
        run("plan", odd_manifest(tmp_path, "scriptName: x\n"), "--format", form, folder=tmp_path, warm=warm).code == 0
    )


@pytest.mark.parametrize("ci", alike(CIS))
def test_a_name_that_is_no_text_is_run_and_retried(sandbox: Start, warm: Warm | None, tmp_path: Path, ci: str) -> None:
    """Its jobs run, every report and CI server's file is written under such names too, and the record holds it."""
    server = sandbox({**FAST, "behaviours": [{"match": {"scriptName": "bad"}, "outcome": "failed"}]})
    name = odd_manifest(tmp_path, "jobs: [{scriptName: x}, {scriptName: bad}]\n")
    env: dict[str, Argument] = {"AFT_API_KEY": server.api_key}
    for key, value in CIS[ci].items():
        env[key] = os.fsencode(value.format(tmp_path)) + (ODD if "{0}" in value else b"")
    reports = [each for form in FORMATS for each in (f"--report-{form}", b"out" + ODD + b"/" + form.encode())]
    more = ("--events", b"e" + ODD, "--metrics-textfile", b"p" + ODD, "--state-dir", b"s" + ODD)
    said = run("apply", name, *reach(server), *reports, *more, folder=tmp_path, warm=warm, env=env)
    assert said.code == 1, said.err
    out = tmp_path / os.fsdecode(b"out" + ODD)
    assert sorted(each.name for each in out.iterdir()) == sorted(FORMATS)
    assert json.loads((out / "json").read_bytes())["run"]["outcome"] == "failed"
    (out / "junit").read_bytes().decode("utf-8")
    again = run("retry", *more[-2:], folder=tmp_path, warm=warm, env=env)
    assert again.code == 1, again.err
    assert Counter(job.body["scriptName"] for job in server.jobs()) == {"x": 1, "bad": 2}
    for line in (("history",), ("history", "--format", "json"), ("show",), ("show", "--format", "json"), ("report",)):
        assert run(*line, *more[-2:], folder=tmp_path, warm=warm, env=env).code == 0


@pytest.mark.parametrize(
    "line",
    [
        ("start", "-n", ODD),
        ("start", "-n", "x", "--param", b"k=" + ODD),
        ("status", ODD),
        ("wait", ODD),
        ("apply", "m.yaml", "--select", ODD),
        ("apply", "m.yaml", "--var", ODD + b"=1"),
        ("explain", ODD),
        ("history", "--manifest", ODD),
        (ODD,),
    ],
    ids=repr,
)
def test_arguments_that_are_no_text(
    sandbox: Start, warm: Warm | None, tmp_path: Path, line: tuple[Argument, ...]
) -> None:
    """What must be text and is none is a mistake in the command; nothing is sent."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    where = reach(server) if line[0] in ("start", "status", "wait", "apply") else ()
    said = run(*line, *where, folder=tmp_path, warm=warm, env={"AFT_API_KEY": server.api_key})
    assert said.code == (0 if line[0] == "history" else 2), said.err
    assert server.ledger() == ()


# --- a working folder that is gone ----------------------------------------------------------------------------------


def gone(folder: Path, *arguments: Argument, env: Mapping[str, Argument]) -> Said:
    """Run the program in a folder that has just been deleted."""
    work = folder / "work"
    work.mkdir()
    before = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(work))
    return run(*arguments, folder=folder, env=env, before=before)


@pytest.mark.parametrize("ci", alike(CIS))
def test_a_run_needs_no_working_folder(sandbox: Start, tmp_path: Path, ci: str) -> None:
    """With absolute paths it runs, whatever the CI server's variables say; with relative ones nothing is sent."""
    server = sandbox()
    manifest = tmp_path / "m.yaml"
    manifest.write_text("scriptName: x\n", encoding="utf-8")
    env = {"AFT_API_KEY": server.api_key, **{key: value.format(tmp_path) for key, value in CIS[ci].items()}}
    said = gone(tmp_path, "apply", str(manifest), *reach(server), env=env)
    assert said.code == 74, said.err
    assert server.ledger() == ()
    place = ("--state-dir", str(tmp_path / "state"))
    said = gone(tmp_path, "apply", str(manifest), *place, *reach(server), env=env)
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    ("line", "code"),
    alike(
        [
            ("validate m.yaml", 2),
            ("validate .", 2),
            ("plan m.yaml", 2),
            ("start -n x", 2),
            ("start -n x --state-dir {0}/s --cacert ca.pem", 2),
            ("apply {0}/m.yaml --cacert ca.pem", 2),
            ("history", 0),
            ("show", 2),
            ("resume", 2),
            ("retry", 2),
            ("report", 2),
            ("import x", 2),
            ("init", 74),
            ("sandbox --scenario x", 2),
            ("doctor m.yaml", 2),
            ("schema", 0),
        ]
    ),
)
def test_commands_in_a_folder_that_is_gone(sandbox: Start, tmp_path: Path, line: str, code: int) -> None:
    """Each says what it does not find."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    said = gone(tmp_path, *line.format(tmp_path).split(), env={"AFT_API_KEY": server.api_key})
    assert said.code == code, said.err
    assert server.ledger() == ()


# --- outputs that cannot be written ---------------------------------------------------------------------------------

SPEAKING = (
    "apply m.yaml",
    "apply m.yaml -o json",
    "apply m.yaml --events - -q",
    "apply m.yaml --report-json - -o none",
    "apply m.yaml --ci teamcity",
    "validate --format json m.yaml",
    "plan m.yaml",
    "history --format json",
    "schema",
    "explain AFT001",
    "--version",
    "--help",
    "apply --help",
    "completion bash",
)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("line", SPEAKING)
def test_standard_output_on_a_full_disk(sandbox: Start, warm: Warm | None, tmp_path: Path, line: str) -> None:
    """74, and never the 120 of an interpreter that could not flush; jobs have run all the same."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    where = reach(server) if line.startswith("apply m") else ()
    env = {"AFT_API_KEY": server.api_key}
    said = run(*line.split(), *where, folder=tmp_path, warm=warm, env=env, full=(1,))
    assert said.code == 74, said.err
    assert "standard output: No space left" in said.err
    assert run(*line.split(), *where, folder=tmp_path, warm=warm, env=env, full=(1, 2)).code == 74
    assert len(server.jobs()) == (2 if where else 0)


@pytest.mark.parametrize("line", ["--help", "apply --help", "--version", "schema", "completion bash"])
def test_a_reader_that_has_gone_away_has_read_what_it_wanted(tmp_path: Path, line: str) -> None:
    """As in `aftrun --help | head -3`, which `set -o pipefail` is not to end."""
    before = ("sh", "-c", 'mkfifo p; (: <p) & exec 3>p; wait; "$@" >&3; echo $? >code', "sh")
    said = run(*line.split(), folder=tmp_path, before=before)
    assert (said.err, (tmp_path / "code").read_text(encoding="utf-8")) == ("", "0\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(sandbox: Start, tmp_path: Path, closed: str) -> None:
    """Nobody listens, and no file of the record takes the place of a closed stream."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    before = ("sh", "-c", f'exec "$@" {closed}', "sh")
    env = {"AFT_API_KEY": server.api_key}
    said = run("apply", "m.yaml", *reach(server), folder=tmp_path, env=env, before=before)
    assert said.code == 0, said.err
    said = run("show", "--format", "json", folder=tmp_path)
    assert json.loads(said.out)["run"]["outcome"] == "succeeded"


def test_outputs_that_would_write_over_the_record_or_each_other(
    sandbox: Start, warm: Warm | None, tmp_path: Path
) -> None:
    """Said before anything is sent; a report beside the record is a report."""
    server = sandbox()
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    env = {"AFT_API_KEY": server.api_key}

    def refused(*arguments: str) -> str:
        said = run(*arguments, folder=tmp_path, warm=warm, env=env)
        assert said.code == 2, said.err
        return said.err

    record = ("state.db", "./owner", "../.aftrun/once.ndjson")
    apply = ("apply", "m.yaml", *reach(server))
    for place in record:
        assert "is of the record" in refused(*apply, "--report-html", f".aftrun/{place}")
    assert "is of the record" in refused(*apply, "--events", ".aftrun/state.db-wal")
    assert "two outputs" in refused(*apply, "--report-json", "a", "--report-html", "./a")
    assert server.ledger() == ()
    assert run(*apply, "--report-html", ".aftrun/r.html", folder=tmp_path, warm=warm, env=env).code == 0
    (folder,) = (tmp_path / ".aftrun" / "runs").iterdir()
    for command in ("report", "history"):
        for place in (*record, f"runs/{folder.name}/journal.ndjson"):
            assert "is of the record" in refused(command, "--report-html", f".aftrun/{place}")
        beside = f".aftrun/runs/{folder.name}/report.html"
        assert run(command, "--report-html", beside, folder=tmp_path, warm=warm, env=env).code == 0


@pytest.mark.parametrize("flag", ["--report-json", "--report-html", "--events", "--metrics-textfile"])
@pytest.mark.parametrize("place", ["m.yaml", "./x/../m.yaml", "link.yaml", "x", "x/common.yaml"])
def test_outputs_that_would_write_over_inputs(
    sandbox: Start, warm: Warm | None, tmp_path: Path, flag: str, place: str
) -> None:
    """A manifest, an included one, or a folder: said before anything is sent, and left as it is."""
    server = sandbox()
    manifest = tmp_path / "m.yaml"
    manifest.write_text("include: [x/common.yaml]\njobs: [{scriptName: x}]\n", encoding="utf-8")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "common.yaml").write_text("vars: {a: b}\n", encoding="utf-8")
    (tmp_path / "link.yaml").symlink_to("m.yaml")
    said = run(
        "apply", "m.yaml", flag, place, *reach(server), folder=tmp_path, warm=warm, env={"AFT_API_KEY": server.api_key}
    )
    assert said.code == 2, said.err
    assert place.removeprefix("./") in said.err
    assert server.ledger() == ()
    assert "include" in manifest.read_text(encoding="utf-8")
    assert (tmp_path / "link.yaml").is_symlink()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero")
@pytest.mark.parametrize(
    "line",
    [
        "validate /dev/zero",
        "apply m.yaml --env-file /dev/zero",
        "import /dev/zero",
        "sandbox --port 0 --scenario /dev/zero",
    ],
)
def test_files_without_an_end(warm: Warm | None, tmp_path: Path, line: str) -> None:
    """What is larger than any such file can be is refused before it fills the memory."""
    (tmp_path / "m.yaml").write_text("scriptName: x\n", encoding="utf-8")
    said = run(*line.split(), folder=tmp_path, warm=warm)
    assert said.code == 2, said.err
    assert "/dev/zero" in said.err
    assert "larger than" in said.err


# --- too few threads, too few descriptors ---------------------------------------------------------------------------

TWELVE = (
    "strategy: {order: parallel, maxParallel: 12, failFast: false}\n"
    "server: {poll: {min: 50ms}, submitTimeout: 3s}\n"
    "jobs:\n" + "".join(f"  - {{name: j{n}, scriptName: x, params: {{n: '{n}'}}}}\n" for n in range(12))
)


def crowd(server: Sandbox, folder: Path, **how: Any) -> tuple[Said, Counter[str]]:
    """Twelve jobs at once on such a machine, then, on a better one, the resume; no job is ever posted twice."""

    def posts() -> Counter[str]:
        sent: list[Any] = [entry.parsed for entry in server.ledger() if entry.method == "POST"]
        return Counter(body["params"]["n"] for body in sent)

    (folder / "m.yaml").write_text(TWELVE, encoding="utf-8")
    env = {"AFT_API_KEY": server.api_key}
    reports = ("--report-junit", "j.xml", "--report-html", "h.html", "-o", "none")
    said = run("apply", "m.yaml", *reports, *reach(server), folder=folder, env=env, **how)
    outcomes: Counter[str] = Counter()
    for path in (folder / ".aftrun" / "runs").glob("*/report.json"):
        jobs = json.loads(path.read_text(encoding="utf-8"))["jobs"]
        outcomes.update(str(job["outcome"]) for job in jobs)
        succeeded = {job["jobId"] for job in jobs if job["outcome"] == "succeeded"}
        assert succeeded <= {job.id for job in server.jobs()}
    first = posts()
    assert max(first.values(), default=0) <= 1
    if first:
        assert outcomes["unknown"] == 0, said.err
        assert outcomes["succeeded"] == len(first)
        assert (folder / "j.xml").exists()
        assert (folder / "h.html").exists()
    again = run("resume", "-o", "none", folder=folder, env=env)
    assert again.code in (0, 1, 2), again.err
    assert max(posts().values(), default=0) <= 1
    return said, outcomes


@pytest.mark.parametrize("files", alike([6, 8, 9, 10, 11, 12, 14, 17, 24]))
def test_too_few_file_descriptors(sandbox: Start, tmp_path: Path, files: int) -> None:
    """Either nothing is sent, and that is said; or all that was sent is followed to its end, and reported."""
    said, outcomes = crowd(sandbox(), tmp_path, limit=(resource.RLIMIT_NOFILE, files))
    if not outcomes["succeeded"]:
        assert said.code in (3, 74), said.err
    elif outcomes["undelivered"]:
        assert said.code == 1, said.err
    else:
        assert said.code == 0, said.err


@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_too_few_threads(sandbox: Start, tmp_path: Path, processes: int) -> None:
    """With one thread for requests or more every job runs; with none, nothing is sent, and that is said."""
    setpriv, prlimit = shutil.which("setpriv"), shutil.which("prlimit")
    if os.geteuid() != 0 or setpriv is None or prlimit is None:
        pytest.skip("a user who has no other processes takes root, setpriv and prlimit")
    tmp_path.chmod(0o777)
    rights = "+dac_override,+dac_read_search"
    user = str(100_000 + os.getpid() % 100_000)
    become = (setpriv, "--reuid", user, "--inh-caps", rights, "--ambient-caps", rights, "--")
    server = sandbox()
    said, outcomes = crowd(server, tmp_path, before=(*become, prlimit, f"--nproc={processes}"))
    if processes == 1:
        assert said.code == 74, said.err
        assert "start no thread" in said.err
        assert server.ledger() == ()
    else:
        assert said.code == 0, said.err
        assert outcomes == {"succeeded": 12}
