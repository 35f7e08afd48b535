"""Before a run begins: what the record says of other runs of its jobs, alive or cut off, and what is read of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import aftrun
from aftrun.domain.errors import ExitCode, UnderWay
from aftrun.domain.events import (
    Accepted,
    AttemptEnded,
    Event,
    Interrupted,
    JobEnded,
    Reason,
    RetryPlanned,
    RunEnded,
    RunStarted,
    SubmitIntended,
)
from aftrun.domain.model import Json, Outcome, Overlap, Unfinished
from aftrun.manifest import bind, load_all
from aftrun.run.ports import SystemClock
from aftrun.run.store.folder import run_folder
from aftrun.run.store.record import Log
from aftrun.run.store.rows import Retry, StoredFile
from aftrun.sandbox.server import Sandbox
from aftrun.service import which
from aftrun.service.admission import Admission, Begin, Instead, Left, Overtaken, begin_or_join
from aftrun.service.options import RunOptions
from aftrun.service.prepare import PreparedRun, prepare, prepare_run
from aftrun.service.recording import OnDisk
from tests.waiting import until

SCENARIO: dict[str, Json] = {
    "defaults": {"queue": "0s", "duration": "0s"},
    "behaviours": [
        {"match": {"scriptName": "bad"}, "outcome": "failed"},
        {"match": {"scriptName": "slow"}, "outcome": "stuck"},
    ],
}
MANIFEST = """\
name: m
server: {{url: "{url}", apiKey: "${{KEY}}", tls: {{fingerprint: "{pin}"}}}}
strategy: {{order: parallel}}
jobs:
  - {{name: a, scriptName: a, outputs: {{said: id}}}}
  - {{name: b, scriptName: b, retry: {{limit: 1, backoff: {{duration: 1h}}}}}}
  - {{name: c, scriptName: c, needs: [a]}}
"""


class Folder:
    """A state folder with runs of one manifest, and a server that knows some jobs."""

    def __init__(self, folder: Path, server: Sandbox) -> None:
        self.state, self.server = folder / "state", server
        self.environ = {"KEY": server.api_key}
        self.path = folder / "m.yaml"
        self.path.write_text(MANIFEST.format(url=server.url, pin=server.fingerprint), encoding="utf-8")
        self.said: list[str] = []

    def setup(self, run: str = "", *, sandbox: bool = False, **options: Any) -> PreparedRun:
        """A run of these jobs."""
        chosen = RunOptions(paths=(str(self.path),), sandbox=sandbox, **options)
        manifests = prepare(load_all([str(self.path)], environ=self.environ).manifests, chosen)
        return prepare_run(manifests, bind(manifests, self.environ), chosen, run_id=run)

    @contextlib.contextmanager
    def live(self, run: str = "old", *events: Event, retry: Retry | None = None, **settings: Any) -> Iterator[OnDisk]:
        """A run that a process works on: this one."""
        record = OnDisk(self.state, (StoredFile(str(self.path), self.path.read_bytes()),))
        setup = replace(self.setup(run, **settings), retry=retry)
        with record.opened(setup, SystemClock(), say=self.said.append, hurried=lambda: False) as recording:
            if events:
                recording.journal.append(events)
            yield record

    def cut_off(self, run: str = "old", *events: Event, **settings: Any) -> None:
        """A run whose process is gone."""
        with self.live(run, *events, **settings):
            pass

    def submit(self, script: str) -> str:
        """A job on the server, which has come to its end if it ever does; its id."""
        with aftrun.Client(self.server.url, self.server.api_key, fingerprint=self.server.fingerprint) as client:
            found = client.submit({"scriptName": script}).id
        assert found is not None
        until(lambda: script == "slow" or all(job.ended_at for job in self.server.jobs() if job.id == found))
        return found

    def admission(
        self, environ: Mapping[str, str] | None = None, select: tuple[str, ...] = (), **rest: Any
    ) -> Admission:
        """Of a new run."""
        plan = self.setup(select=select).plan
        return Admission(plan, self.state, self.environ if environ is None else environ, say=self.said.append, **rest)

    def events(self, run: str = "old") -> list[Event]:
        """What is on record of a run, but for its start."""
        with Log(self.state) as log:
            return [event for event in log.events(run) if not isinstance(event, RunStarted)]

    def count(self, method: str) -> int:
        """Requests that the server has had."""
        return sum(entry.method == method for entry in self.server.ledger())


def sent(job: str, job_id: str | None = None) -> tuple[Event, ...]:
    """A job that was submitted, and perhaps accepted."""
    intent = SubmitIntended(1.0, f"m/{job}", 1)
    return (intent,) if job_id is None else (intent, Accepted(2.0, f"m/{job}", 1, job_id, id_field="id"))


@pytest.fixture
def folder(tmp_path: Path, sandbox: Callable[..., Sandbox]) -> Folder:
    """An empty one."""
    return Folder(tmp_path, sandbox(SCENARIO))


def test_nothing_on_record_is_nothing_to_ask(folder: Folder) -> None:
    """And asking makes no record."""
    assert folder.admission().ask() == Begin()
    assert not folder.state.exists()


def test_what_is_said_of_a_run_that_is_alive(folder: Folder) -> None:
    """Which, since when, by whom, with which jobs, and the line to follow it; as soon as it is on record."""
    with folder.live(only=("m/a", "m/b")):
        with pytest.raises(UnderWay) as caught:
            folder.admission().ask()
        text = "\n".join(caught.value.diagnostics())
        assert caught.value.exit_code == 75
        assert "run old is under way since 2" in text
        assert "by process " in text
        assert "has 2 of the 3 jobs asked for: m/a, m/b" in text
        assert "nothing was sent" in text
        assert f"aftrun watch old --state-dir {folder.state}" in text
    assert folder.count("POST") == folder.count("GET") == 0


@pytest.mark.parametrize("word", [word for word in Overlap if word is not Overlap.WAIT])
def test_each_word_of_overlap(folder: Folder, word: Overlap) -> None:
    """From the flag; `wait` has its own test."""
    with folder.live():
        admission = folder.admission(overlap=word)
        if word is Overlap.REFUSE:
            with pytest.raises(UnderWay):
                admission.ask()
        else:
            assert admission.ask() == (Begin() if word is Overlap.ALLOW else Instead("old", resume=False))


def test_waiting_for_the_end_of_another_run(folder: Folder) -> None:
    """It is said once a minute; then the record is asked again."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(folder.live())
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                stack.close()

        admission = folder.admission(overlap=Overlap.WAIT, pause=pause)
        assert admission.ask() == Begin()
    assert len(pauses) == 4
    assert admission.waited
    (line,) = folder.said
    assert line.startswith("waiting for run old, by process ")
    assert line.endswith(": 0 of 3 jobs have ended")


@pytest.mark.parametrize(("signal", "code"), [(2, ExitCode.SIGINT), (15, ExitCode.SIGTERM)])
def test_waiting_can_be_interrupted(folder: Folder, signal: int, code: ExitCode) -> None:
    """And sends nothing."""
    with folder.live():
        admission: Admission = folder.admission(overlap=Overlap.WAIT, pause=lambda _: admission.interrupt(signal))
        assert admission.ask() == Left(code)


def test_a_signal_that_comes_while_the_record_is_asked_counts(folder: Folder) -> None:
    """Ctrl-C while jobs are read, say: nothing begins afterwards, whatever they showed."""
    folder.cut_off("old", *sent("a", folder.submit("good")))
    admission = folder.admission()
    admission.interrupt(2)
    assert admission.ask() == Left(ExitCode.SIGINT)


def test_runs_that_do_not_count(folder: Folder) -> None:
    """A sandbox's, those of other jobs; and those that have come to an end of their own, however bad."""
    with folder.live("sandbox", sandbox=True), folder.live("other", only=("m/b",)):
        assert folder.admission(select=("a",)).ask() == Begin()
    folder.cut_off("sandbox2", *sent("a"), sandbox=True)
    for number, outcome in enumerate(("succeeded", "failed", "unknown", "timedOut")):
        end = JobEnded(3.0, "m/a", Outcome.UNKNOWN, Reason.CRASHED)
        folder.cut_off(f"ended{number}", *sent("a"), end, *sent("b"), RunEnded(9.0, outcome, 1))
    folder.cut_off("never")
    assert folder.admission(select=("a",)).ask() == Begin()


def test_a_run_that_was_retried_is_not_open(folder: Folder) -> None:
    """What is left of it is the retry's to do."""
    folder.cut_off("old", *sent("a"), Interrupted(3.0, 2), RunEnded(3.0, "interrupted", 130))
    with pytest.raises(UnderWay):
        folder.admission().ask()
    folder.cut_off("new", retry=Retry("old"), retry_of="old", only=("m/a",))
    assert folder.admission().ask() == Begin()


@pytest.mark.parametrize("ended", [False, True], ids=["killed", "interrupted"])
def test_what_is_said_of_a_run_that_was_cut_off(folder: Folder, ended: bool) -> None:
    """Its open jobs and how far each is, and the line that goes on with it. Each id is read once, nothing is sent."""
    job = folder.submit("slow")
    posts, end = folder.count("POST"), (Interrupted(3.0, 2), RunEnded(3.0, "interrupted", 130))
    folder.cut_off("old", *sent("a", job), *sent("b"), *(end if ended else ()))
    before = folder.events()
    with pytest.raises(UnderWay) as caught:
        folder.admission().ask()
    text = "\n".join(caught.value.diagnostics())
    assert caught.value.exit_code == 75
    assert "run old, begun 2" in text
    assert f"m/a: accepted as job {job}, and is Running now" in text
    assert "m/b: it was being submitted, and nobody knows whether the server has it" in text
    assert f"aftrun resume old --state-dir {folder.state}" in text
    assert f"aftrun settle old --state-dir {folder.state} JOB" in text
    assert (folder.count("POST"), folder.count("GET")) == (posts, 1)
    assert folder.events() == before


@pytest.mark.parametrize(
    ("word", "found"), [(Unfinished.RESUME, Instead("old", resume=True)), (Unfinished.IGNORE, Begin())]
)
def test_the_other_words_of_unfinished(folder: Folder, word: Unfinished, found: object) -> None:
    """From the flag."""
    folder.cut_off("old", *sent("a", folder.submit("slow")))
    assert folder.admission(unfinished=word).ask() == found


def test_ends_that_are_seen_are_put_on_record(folder: Folder) -> None:
    """Then nothing is open, and a new run may begin; what the job handed on is there for a resume."""
    job = folder.submit("good")
    folder.cut_off("old", *sent("a", job))
    assert folder.admission().ask() == Begin()
    over, end = folder.events()[2:]
    assert isinstance(over, AttemptEnded)
    assert (over.outcome, over.outputs) == (Outcome.SUCCEEDED, {"said": job})
    assert isinstance(end, JobEnded)
    assert (end.job, end.outcome) == ("m/a", Outcome.SUCCEEDED)
    report = json.loads((run_folder(folder.state, "old") / "report.json").read_text(encoding="utf-8"))
    assert [job["outcome"] for job in report["jobs"]] == ["succeeded", None, None]
    assert folder.admission().ask() == Begin()
    assert folder.count("GET") == 1, "an end is read once and for all"


def test_a_run_that_is_to_be_resumed_is_finished_first(folder: Folder) -> None:
    """What was open may have ended by itself; the jobs that were never sent are still to be done, and those not again.

    It is left to the resume to read it, so that one who is killed in between finds the run as it was.
    """
    folder.cut_off("old", *sent("a", folder.submit("good")))
    for _ in range(2):
        assert folder.admission(unfinished=Unfinished.RESUME).ask() == Instead("old", resume=True)
    assert folder.count("GET") == 0
    folder.cut_off("older", *sent("a", folder.submit("good")), only=("m/a",))
    assert folder.admission(select=("a",), unfinished=Unfinished.RESUME).ask() == Instead("old", resume=True)
    assert folder.events("older")[-1] == replace(RunEnded(0.0, "succeeded", 0), at=folder.events("older")[-1].at)


def test_a_run_all_of_whose_jobs_have_ended_has_ended(folder: Folder) -> None:
    """With the exit code that it would have had."""
    ids = [folder.submit(script) for script in ("good", "bad")]
    folder.cut_off("old", *sent("a", ids[0]), *sent("c", ids[1]), only=("m/a", "m/c"))
    assert folder.admission().ask() == Begin()
    assert folder.events()[-1] == replace(RunEnded(0.0, "failed", 1), at=folder.events()[-1].at)
    with Log(folder.state) as log:
        assert which.runs(log)[0].outcome == "failed"


def test_a_failure_that_will_be_tried_again_is_the_end_of_its_attempt(folder: Folder) -> None:
    """Nothing of it is on the server any more; a resume of the run would submit it anew."""
    folder.cut_off("old", *sent("b", folder.submit("bad")))
    assert folder.admission().ask() == Begin()
    assert [type(event) for event in folder.events()[2:]] == [AttemptEnded, RetryPlanned]
    assert folder.admission().ask() == Begin()


def test_two_jobs_with_one_id_are_not_judged_by_it(folder: Folder) -> None:
    """Nobody can tell whose end it shows; that is for a resume to say."""
    job = folder.submit("good")
    folder.cut_off("old", *sent("a", job), *sent("b", job))
    with pytest.raises(UnderWay, match="m/b: accepted"):
        folder.admission().ask()
    assert folder.count("GET") == 0


def test_only_jobs_that_are_asked_for_count(folder: Folder) -> None:
    """Another one may be open for ever."""
    folder.cut_off("old", *sent("a"))
    assert folder.admission(select=("b",)).ask() == Begin()


@pytest.mark.parametrize("fault", ["value is missing", "value is another", "server is down"])
def test_what_cannot_be_read_stays_open(folder: Folder, fault: str) -> None:
    """And the reason is said."""
    folder.cut_off("old", *sent("a", folder.submit("good")))
    environ = {"value is missing": {}, "value is another": {"KEY": "x"}, "server is down": folder.environ}[fault]
    if fault == "server is down":
        folder.server.stop()
    with pytest.raises(UnderWay, match="m/a: accepted") as caught:
        folder.admission(environ).ask()
    said = "and cannot be read: " if fault == "server is down" else "their status could not be read: "
    assert said in caught.value.message
    assert len(folder.events()) == 2


def begin(folder: Folder, admission: Admission) -> None:
    """Begin a new run, as far as its record goes."""
    record = OnDisk(folder.state, admit=admission.check)
    with record.opened(folder.setup("new"), SystemClock(), say=folder.said.append, hurried=lambda: False):
        pass


def test_a_run_that_begins_at_the_same_instant_is_seen(folder: Folder) -> None:
    """Between the question and the beginning another process was faster; nothing is left of the one that was not."""
    admission = folder.admission()
    assert admission.ask() == Begin()
    with folder.live("fast"):
        with pytest.raises(Overtaken):
            begin(folder, admission)
        assert not run_folder(folder.state, "new").exists()
        with pytest.raises(UnderWay, match="run fast is under way"):
            admission.ask()
        allowed = folder.admission(overlap=Overlap.ALLOW)
        begin(folder, allowed)


def test_a_run_that_was_cut_off_in_between_is_seen(folder: Folder) -> None:
    """Or one that was cut off before, and has done something since."""
    job = folder.submit("slow")
    admission = folder.admission(unfinished=Unfinished.IGNORE)
    assert admission.ask() == Begin()
    folder.cut_off("fast", *sent("a", job))
    with pytest.raises(Overtaken):
        begin(folder, admission)
    assert admission.ask() == Begin()
    with Log(folder.state) as log:
        log.append("fast", sent("b"))
    with pytest.raises(Overtaken):
        begin(folder, admission)
    assert admission.ask() == Begin()
    begin(folder, admission)


def test_who_was_overtaken_asks_again(folder: Folder) -> None:
    """And does what is right then; other refusals stand."""
    admission = folder.admission(unfinished=Unfinished.RESUME)
    done: list[str] = []

    def overtaken() -> str:
        done.append("begin")
        if len(done) == 1:
            folder.cut_off("fast", *sent("a", folder.submit("slow")))
            raise Overtaken("x")
        raise UnderWay("a retry, say")

    def resume(run: str) -> str:
        done.append(run)
        return "resumed"

    assert begin_or_join(admission, begin=overtaken, follow=str, resume=resume) == "resumed"
    assert done == ["begin", "fast"]
    other = folder.admission(unfinished=Unfinished.IGNORE)
    with pytest.raises(UnderWay, match="a retry, say"):
        begin_or_join(other, begin=overtaken, follow=str, resume=resume)


def test_two_that_resume_one_run(folder: Folder) -> None:
    """One has it; the other finds it alive, and does about that what it was told."""
    folder.cut_off("old", *sent("a", folder.submit("slow")))
    admission = folder.admission(unfinished=Unfinished.RESUME, overlap=Overlap.ATTACH)
    with contextlib.ExitStack() as stack:

        def resume(_: str) -> str:
            record = OnDisk(folder.state, resume=True)
            setup = folder.setup("old")
            stack.enter_context(record.opened(setup, SystemClock(), say=folder.said.append, hurried=lambda: False))
            with record.opened(setup, SystemClock(), say=folder.said.append, hurried=lambda: False):
                return "resumed twice"

        assert (
            begin_or_join(admission, begin=str, follow=lambda run: f"followed {run}", resume=resume) == "followed old"
        )
