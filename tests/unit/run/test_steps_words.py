"""What is remembered and said of the words for a job's state, over all jobs of a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aftrun.domain.events import Event, Warned
from aftrun.domain.model import Answer, Attempt, JobInfo, JobResult, SeenWord, State
from aftrun.run import sightings
from aftrun.run.active_job import ActiveJob
from tests.unit.run.test_steps import AT, KEY, NOW, Bench
from tests.unit.world import job

U, R = State.UNLISTED, State.RUNNING
COMMANDS = sightings.Commands(raw="raw {id}", learn="learn {id}")


def two(*, past: tuple[float, ...] = ()) -> Bench:
    """Jobs `a` and `b`, followed as 17 and 18, of which nothing was seen yet."""
    bench = Bench(job("a"), job("b"), past=past)
    bench.steps._commands = COMMANDS
    for active, job_id in zip(bench.steps.jobs, ("17", "18"), strict=True):
        seen = JobResult(active.task.job.name, "main", "https://one", job("a").origin, {}, phase="accepted")
        bench.steps.adopt(active, replace(seen, attempts=(Attempt(1, accepted_at=AT - 5, job_id=job_id),)))
    return bench


def see(bench: Bench, word: str, state: State = U, *, active: ActiveJob | None = None) -> tuple[Event, ...]:
    """What a read that shows this word gives to record."""
    active = bench.active if active is None else active
    step = bench.steps.read(active, Answer(200, JobInfo(active.job_id, state, word)))
    return tuple(each for each in step.events if isinstance(each, Warned))


def told(*words: tuple[str, float, State]) -> tuple[SeenWord, ...]:
    """Words and the seconds after the first read at which they were seen."""
    return tuple(SeenWord(word, AT + at, state.value) for word, at, state in words)


def test_a_word_is_said_once_of_a_server_with_what_was_seen_before_it() -> None:
    """Of its job, by name and key, with the commands for its id. Another job's is no news, another word is."""
    bench = two()
    words = told(("soaking", 0, U))
    said = sightings.new_word("a", words, set(), COMMANDS.about("17"))
    assert see(bench, "soaking") == (Warned(AT, said, KEY),)
    assert "17" in said
    assert see(bench, "soaking", active=bench.steps.jobs[1]) == ()
    assert see(bench, "Soaking", active=bench.steps.jobs[1]) == (), "spelling is no difference"
    assert bench.active.words == words
    bench.world.advance(NOW + 7)
    words += told(("drying", 7, U))
    said = sightings.new_word("a", words, {"soaking"}, COMMANDS.about("17"))
    assert see(bench, "drying") == (Warned(AT + 7, said, KEY),)
    assert "another word followed 'soaking'" in said


def test_two_servers_have_words_of_their_own() -> None:
    """What one says with a word tells nothing of the other's."""
    bench = two()
    other = bench.steps.jobs[1]
    other.task = replace(other.task, server=1)
    server = bench.steps.plan.servers[0]
    bench.steps.plan = replace(bench.steps.plan, servers=(server, server))
    bench.steps._passed.append(set())
    bench.steps._places = ("0", "1")
    assert len(see(bench, "soaking")) == len(see(bench, "soaking", active=other)) == 1
    bench.world.advance(NOW + 301)
    assert len(see(bench, "soaking")) == len(see(bench, "soaking", active=other)) == 1, "perhaps an end, of either"


def test_what_follows_a_word_is_known_for_all_jobs_of_the_server() -> None:
    """Of every pair, not of the last one alone; a known word that follows tells as much."""
    bench = two()
    for word, state in (("one", U), ("two", U), ("running", R), ("three", U)):
        see(bench, word, state)
    assert bench.steps._passed == [{"one", "two", "running"}]
    assert see(bench, "one", active=bench.steps.jobs[1]) == ()
    said = sightings.new_word("b", told(("one", 0, U), ("four", 0, U)), bench.steps._passed[0], COMMANDS.about("18"))
    assert see(bench, "four", active=bench.steps.jobs[1]) == (Warned(AT, said, "main/b"),)


@pytest.mark.parametrize(("past", "patience"), [((), 300.0), ((40.0,), 400.0)])
def test_a_word_that_stands_still_is_perhaps_an_end(past: tuple[float, ...], patience: float) -> None:
    """Once, when five minutes are over, or ten usual times of this very job; counted from when it was first seen."""
    bench = two(past=past)
    bench.world.advance(NOW + 10)
    see(bench, "parked")
    bench.world.advance(NOW + 10 + patience - 0.5)
    assert see(bench, "parked") == ()
    bench.world.advance(NOW + 10 + patience)
    said = sightings.perhaps_an_end("a", told(("parked", 10, U)), set(), patience, COMMANDS.about("17"))
    assert see(bench, "parked") == (Warned(AT + 10 + patience, said, KEY),)
    bench.world.advance(NOW + 10 + 2 * patience)
    assert see(bench, "parked") == (), "it has been said"
    see(bench, "parked", active=bench.steps.jobs[1])
    bench.world.advance(NOW + 10 + 5 * patience)
    assert see(bench, "parked", active=bench.steps.jobs[1]) == (), "of this server's word, whichever job's"


def test_a_word_that_another_one_followed_is_no_end_however_long_it_stands() -> None:
    """Another job has shown that."""
    bench = two()
    see(bench, "parked", active=bench.steps.jobs[1])
    see(bench, "running", R, active=bench.steps.jobs[1])
    see(bench, "parked")
    bench.world.advance(NOW + 9_000)
    assert see(bench, "parked") == ()


def test_the_word_of_an_end_is_remembered_too() -> None:
    """What stood before it was none, then: other jobs know."""
    bench = two()
    see(bench, "tidying")
    assert see(bench, "done", State.SUCCEEDED) == ()
    assert bench.active.words == told(("tidying", 0, U), ("done", 0, State.SUCCEEDED))
    assert bench.steps._passed == [{"tidying"}]


def test_a_resumed_job_goes_on_with_its_words() -> None:
    """With those of each attempt and of each job, and the time that the last one has stood since."""
    bench = two()
    a, b = bench.steps.jobs
    for active, words in ((a, told(("w", -90, U), ("x", -60, U))), (b, told(("y", -50, U), ("z", -40, U)))):
        seen = JobResult(active.task.job.name, "main", "https://one", job("a").origin, {}, phase="accepted")
        seen = replace(
            seen,
            attempts=(
                Attempt(1, job_id="3", words=told(("u", -99, U), (f"v{active.task.job.name}", -98, U))),
                Attempt(2, accepted_at=AT - 95, job_id=active.job_id, words=words),
            ),
        )
        bench.steps.recall(active, seen)
        bench.steps.adopt(active, seen)
    assert bench.steps._passed == [{"u", "w", "y"}]
    assert (a.words, NOW - (a.still_since + NOW - bench.world.monotonic())) == (told(("w", -90, U), ("x", -60, U)), 60)
    assert (a.status, a.state) == ("", None), "it was not seen running"
    ahead = replace(seen, attempts=(Attempt(1, accepted_at=AT, job_id="18", words=told(("z", 30, U))),))
    bench.steps.adopt(b, ahead)
    assert b.still_since == bench.world.monotonic(), "a clock that ran ahead counts for nothing"
