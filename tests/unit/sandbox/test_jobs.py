"""Jobs of the sandbox: their course through time, the lots behind them, the shapes of their job infos."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.dialects import accepted, job_info, without_id
from aftrun.sandbox.faults import FaultPicker
from aftrun.sandbox.jobs import Job, Phase, Store, Submission
from aftrun.sandbox.scenario import Behaviour, Dialect, Ending, Fault, Fixed, Kind, On, Per, Scenario, Uniform

START = 1_700_000_000.0
TIMED = Behaviour(queue=Fixed(1.0), duration=Fixed(2.0))


@dataclass
class Clock:
    """A clock that is set by hand."""

    at: float = START

    def __call__(self) -> float:
        """Epoch seconds."""
        return self.at


def submission(name: str = "My Backup Job", **params: Json) -> Submission:
    """A submission by name."""
    return Submission("scriptName", name, params, {"scriptName": name, "params": params})


def job(behaviour: Behaviour) -> Job:
    """A job that is created at START."""
    return Store(Scenario(), Clock()).create(submission(), behaviour)


@pytest.mark.parametrize(
    ("outcome", "phases"),
    [
        (Ending.SUCCEEDED, ["queued", "running", "running", "succeeded", "succeeded"]),
        (Ending.FAILED, ["queued", "running", "running", "failed", "failed"]),
        (Ending.CANCELLED, ["queued", "running", "running", "cancelled", "cancelled"]),
        (Ending.STUCK, ["queued", "running", "running", "running", "running"]),
        (Ending.VANISHED, ["queued", "running", "running", "gone", "gone"]),
    ],
)
def test_the_state_follows_from_the_clock(outcome: Ending, phases: list[str]) -> None:
    """Queued for one second, running for two, then its end, for ever."""
    made = job(replace(TIMED, outcome=outcome))
    assert [made.phase(START + after) for after in (0.0, 1.0, 2.9, 3.0, 9e9)] == phases


def test_a_finished_job_is_kept_for_a_while() -> None:
    """With `keep`, a finished job turns into 404 after that time."""
    made = job(replace(TIMED, keep=5.0))
    assert [made.phase(START + after) for after in (3.0, 7.9, 8.0)] == ["succeeded", "succeeded", "gone"]


@pytest.mark.parametrize(
    ("behaviour", "exit_code", "message"),
    [
        (TIMED, 0, None),
        (replace(TIMED, outcome=Ending.FAILED), 1, "the script ended with exit code 1"),
        (replace(TIMED, outcome=Ending.FAILED, exit_code=7, message="no space"), 7, "no space"),
        (replace(TIMED, outcome=Ending.CANCELLED), None, "the job was halted by an administrator"),
    ],
)
def test_exit_codes_and_messages(behaviour: Behaviour, exit_code: int | None, message: str | None) -> None:
    """They come from the scenario, or else fit the end."""
    made = job(behaviour)
    assert (made.exit_code, made.message) == (exit_code, message)


def test_lots_depend_on_seed_body_and_repetition_only() -> None:
    """The same jobs take the same time in any order; a repetition, another body or another seed draws anew."""
    behaviour = Behaviour(queue=Fixed(0.0), duration=Uniform(0.0, 1000.0))

    def ends(seed: int, *names: str) -> dict[str, list[float]]:
        store = Store(Scenario(seed=seed), Clock())
        result: dict[str, list[float]] = {}
        for name in names:
            ended = store.create(submission(name), behaviour).ended_at
            assert ended is not None
            result.setdefault(name, []).append(ended)
        return result

    one = ends(1, "a", "b", "a")
    assert one == ends(1, "b", "a", "a")
    assert len({*one["a"], *one["b"]}) == 3
    assert one != ends(2, "a", "b", "a")


def test_flaky_scripts_fail_at_first() -> None:
    """The first submissions of each script fail; names count without case."""
    store = Store(Scenario(), Clock())
    behaviour = replace(TIMED, fail_first=2)
    outcomes = [store.create(submission(name, run=name), behaviour).outcome for name in ("a", "A", "b", "a")]
    assert outcomes == ["failed", "failed", "failed", "succeeded"]


def test_workers_limit_what_runs_at_once() -> None:
    """With one worker jobs run one after another; a stuck one holds it for ever."""
    store = Store(Scenario(workers=1), Clock())
    first, second = (store.create(submission(), TIMED) for _ in range(2))
    assert (first.started_at, first.ended_at) == (START + 1, START + 3)
    assert (second.started_at, second.ended_at) == (START + 3, START + 5)
    store.create(submission(), replace(TIMED, outcome=Ending.STUCK))
    waiting = store.create(submission(), TIMED)
    assert (waiting.started_at, waiting.ended_at, waiting.phase(9e9)) == (None, None, Phase.QUEUED)


def test_records_show_past_and_future() -> None:
    """The owner sees each job's body, its state now and how it will end."""
    clock = Clock()
    store = Store(Scenario(), clock, speed=2.0)
    made = store.create(submission(region="eu"), replace(TIMED, outcome=Ending.FAILED))
    clock.at += 0.5
    (record,) = store.records()
    assert record.to_json() == {
        "id": made.id,
        "body": {"scriptName": "My Backup Job", "params": {"region": "eu"}},
        "state": "running",
        "outcome": "failed",
        "exitCode": 1,
        "createdAt": START,
        "startedAt": START + 0.5,
        "endedAt": START + 1.5,
    }
    assert store.find(made.id) is made
    assert store.find("other") is None


def info(dialect: Dialect, outcome: Ending = Ending.SUCCEEDED, after: float = 3.0) -> tuple[str, dict[str, Json]]:
    """The id and the job info of a job, so many seconds after its creation."""
    made = job(replace(TIMED, dialect=dialect, outcome=outcome, outputs={"files": 3}))
    return made.id, job_info(made, START + after)


def test_default_dialect_in_full() -> None:
    """The whole object, while running and at the end; outputs come with the end."""
    made_id, running = info(Dialect.DEFAULT, after=1.5)
    assert running == {
        "id": made_id,
        "scriptName": "My Backup Job",
        "status": "Running",
        "createdAt": "2023-11-14T22:13:20.000Z",
        "startedAt": "2023-11-14T22:13:21.000Z",
        "finishedAt": None,
        "exitCode": None,
        "error": None,
    }
    _, ended = info(Dialect.DEFAULT, Ending.FAILED)
    assert (ended["status"], ended["exitCode"], ended["finishedAt"]) == ("Failed", 1, "2023-11-14T22:13:23.000Z")
    assert (ended["error"], ended["files"]) == ("the script ended with exit code 1", 3)


@pytest.mark.parametrize(
    ("dialect", "path", "states"),
    [
        (Dialect.DEFAULT, ("status",), ["Queued", "Running", "Succeeded", "Failed", "Cancelled"]),
        (Dialect.SNAKE, ("state",), ["pending", "running", "completed", "failed", "cancelled"]),
        (Dialect.UPPER, ("Status",), ["QUEUED", "RUNNING", "SUCCESS", "ERROR", "CANCELED"]),
        (Dialect.NESTED, ("job", "status"), ["Queued", "Running", "Succeeded", "Failed", "Cancelled"]),
        (Dialect.ENVELOPE, ("data", "state"), ["queued", "running", "succeeded", "failed", "cancelled"]),
        (Dialect.NUMERIC, ("status",), [0, 1, 2, 3, 4]),
        (Dialect.LOCATION, ("status",), ["Queued", "Running", "Succeeded", "Failed", "Cancelled"]),
        (Dialect.MINIMAL, ("status",), ["Queued", "Running", "Succeeded", "Failed", "Cancelled"]),
        (Dialect.FINISHED, ("status",), ["Queued", "Running", "Finished", "Finished", "Finished"]),
        (Dialect.UNLISTED, ("status",), ["Steeping", "Percolating", "Decanted", "Curdled", "Poured away"]),
    ],
)
def test_states_in_each_dialect(dialect: Dialect, path: tuple[str, ...], states: list[Json]) -> None:
    """Each dialect has its own word for each state, in its own place."""
    moments = [
        (Ending.SUCCEEDED, 0.0),
        (Ending.SUCCEEDED, 1.0),
        (Ending.SUCCEEDED, 3.0),
        (Ending.FAILED, 3.0),
        (Ending.CANCELLED, 3.0),
    ]
    seen: list[Json] = []
    for outcome, after in moments:
        value: Json = info(dialect, outcome, after)[1]
        for key in path:
            assert isinstance(value, dict)
            value = value[key]
        seen.append(value)
    assert seen == states


def test_the_traps_of_dialects() -> None:
    """The envelope says success from the start; an exit code tells what "Finished" hides; ids may be numbers."""
    assert info(Dialect.ENVELOPE, Ending.FAILED, 0.0)[1]["status"] == "success"
    assert [info(Dialect.FINISHED, each)[1]["exitCode"] for each in (Ending.SUCCEEDED, Ending.FAILED)] == [0, 1]
    assert info(Dialect.FINISHED, Ending.CANCELLED)[1]["exitCode"] == 130
    assert info(Dialect.NUMERIC) == ("1001", {"id": 1001, "status": 2, "exitCode": 0, "files": 3})
    made_id, minimal = info(Dialect.MINIMAL)
    assert minimal == {"id": made_id, "status": "Succeeded"}


def test_location_tells_the_id_in_a_header_only() -> None:
    """The answer to a submission has the id in its Location and nowhere else."""
    made = job(replace(TIMED, dialect=Dialect.LOCATION))
    headers, body = accepted(made, START)
    assert headers == {"Location": f"/v1/adm/jobs/{made.id}"}
    assert made.id not in str(body)
    assert accepted(job(TIMED), START)[0] == {}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_without_id(dialect: Dialect) -> None:
    """The id goes from wherever it is, and the rest stays."""
    made_id, whole = info(dialect)
    assert made_id not in str(without_id(whole, made_id))
    assert without_id({"data": {"id": 1001, "n": 5}}, "1001") == {"data": {"n": 5}}


def struck(picker: FaultPicker, faults: list[Fault], jobs: str) -> str:
    """For each letter in `jobs`, a status read of that job: which fault strikes it, by number, `.` for none."""
    picked = [picker.pick(faults, On.STATUS, name) for name in jobs]
    return "".join("." if each is None else str(faults.index(each)) for each in picked)


def test_reads_are_counted_for_each_job() -> None:
    """On status each job has its own count, unless the rule says otherwise."""
    assert struck(FaultPicker(), [Fault(Kind.NOT_FOUND, On.STATUS, times=2)], "aabab") == "000.0"
    assert struck(FaultPicker(), [Fault(Kind.NOT_FOUND, On.STATUS, times=2, per=Per.RULE)], "abab") == "00.."


def test_submissions_are_counted_together_unless_told() -> None:
    """On submit the rule has one count; `per: job` counts each body on its own."""
    together, apart = Fault(Kind.RESET), Fault(Kind.RESET, per=Per.JOB)
    picker = FaultPicker()
    assert [picker.pick([together], On.SUBMIT, body) for body in "ab"] == [together, None]
    assert [picker.pick([apart], On.SUBMIT, body) for body in "aba"] == [apart, apart, None]
    assert picker.pick([together, apart], On.STATUS, "a") is None


def test_rules_take_turns() -> None:
    """A rule does not see what a rule before it struck."""
    faults = [Fault(Kind.RESET, On.STATUS, times=2), Fault(Kind.CLOSE, On.STATUS, after=1)]
    assert struck(FaultPicker(), faults, "aaaaaa") == "00.1.."


def test_chance_is_a_lot_that_can_be_repeated() -> None:
    """About half are struck at a chance of one half, the same ones for the same seed."""
    faults = [Fault(Kind.RESET, On.STATUS, times=None, chance=0.5)]
    first = struck(FaultPicker(1), faults, "a" * 200)
    assert 60 < first.count("0") < 140
    assert first == struck(FaultPicker(1), faults, "a" * 200)
    assert first != struck(FaultPicker(2), faults, "a" * 200)


def test_a_flaky_script_that_recovers_leaves_no_trace_of_its_failures() -> None:
    """Exit code and text of the behaviour are those of the failures."""
    store = Store(Scenario(), Clock())
    behaviour = replace(TIMED, fail_first=1, exit_code=7, message="no space left")
    failed, succeeded = (store.create(submission(), behaviour) for _ in range(2))
    assert (failed.exit_code, succeeded.exit_code) == (7, 0)
