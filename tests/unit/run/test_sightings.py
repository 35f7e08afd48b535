"""Words that aftrun does not know: each is said, with those before it; none that was followed is called an end."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from aftrun.domain.events import Warned
from aftrun.domain.model import Answer, Attempt, JobInfo, JobResult, SeenWord, State
from aftrun.run import sightings
from aftrun.run.sightings import Commands
from tests.unit.run.test_steps import AT, KEY, Bench
from tests.unit.world import job

LISTS = ("succeeded: [", "failed: [")
"""The lines that list a word as an end."""


@dataclass
class Story:
    """A job whose status is read at ages that are given, in seconds from its acceptance."""

    bench: Bench
    began: float

    def sees(self, age: float, word: str, state: State = State.UNLISTED) -> list[str]:
        """What is said when the server names the word at an age."""
        self.bench.world.advance(self.began + age)
        step = self.bench.steps.read(self.bench.active, Answer(200, JobInfo("17", state, word)))
        said = [each for each in step.events if isinstance(each, Warned)]
        assert all(each.job == KEY for each in said)
        return [each.message for each in said]


def story(*past: float, words: tuple[SeenWord, ...] = ()) -> Story:
    """A job that was accepted just now, whose earlier runs took so many seconds."""
    bench = Bench(job("a"), past=past)
    bench.adopt("accepted", Attempt(1, accepted_at=AT, job_id="17", words=words))
    return Story(bench, bench.world.time)


def test_every_new_word_is_said_with_those_before_it_and_what_to_type() -> None:
    """Order and commands; a word that another followed is said to be no end."""
    one = story()
    (first,) = one.sees(1, "Steeping")
    assert first.startswith("a: the server says state 'Steeping', which aftrun does not know")
    assert "seen so far: 'Steeping' " in first
    assert "aftrun status 17 --raw" in first
    assert "aftrun learn 17" in first
    (second,) = one.sees(2, "Percolating")
    assert second.index("'Steeping'") < second.index("'Percolating' ", second.index("seen so far"))
    assert "another word followed 'Steeping', so that is no end" in second
    assert not any(line in first + second for line in LISTS)
    assert one.sees(3, "Percolating") == []


def test_a_word_that_stands_still_is_perhaps_an_end() -> None:
    """After five minutes, once, with the line for a good end and that for a bad one; aftrun does not choose."""
    one = story()
    one.sees(1, "Percolating")
    one.sees(10, "Decanted")
    assert one.sees(309, "Decanted") == []
    (said,) = one.sees(311, "Decanted")
    assert said.startswith("a: state 'Decanted' has stood still for 5m1s: perhaps an end")
    assert "succeeded: [Decanted]" in said
    assert "failed: [Decanted]" in said
    assert "Percolating]" not in said
    assert one.sees(900, "Decanted") == []


@pytest.mark.parametrize(("past", "early", "late"), [((2.0, 4.0, 90.0), 39, 41), ((60.0,), 599, 601)])
def test_where_earlier_runs_tell_it_is_ten_times_the_usual(past: tuple[float, ...], early: float, late: float) -> None:
    """The usual time is the median."""
    one = story(*past)
    one.sees(0, "Decanted")
    assert one.sees(early, "Decanted") == []
    assert len(one.sees(late, "Decanted")) == 1


def test_a_word_that_was_followed_is_never_advised_as_an_end() -> None:
    """Not when it comes back and stays, nor when an earlier process saw it followed."""
    back = story()
    back.sees(1, "Percolating")
    back.sees(2, "Resting")
    assert back.sees(3, "percolating") == []
    assert back.sees(3000, "Percolating") == []
    words = (SeenWord("Percolating", AT - 9, "unlisted"), SeenWord("Resting", AT - 5, "unlisted"))
    again = story()
    earlier = Attempt(1, accepted_at=AT, job_id="17", words=words)
    seen = JobResult("a", "main", "https://one", job("a").origin, {}, attempts=(earlier,))
    again.bench.steps.recall(again.bench.active, seen)
    (said,) = again.sees(0, "Percolating")
    assert "so that is no end" in said
    assert again.sees(3000, "Percolating") == []


def test_the_clock_of_a_word_goes_on_over_a_resume() -> None:
    """A word that stood for five minutes when the process was killed is said at the first look of the next."""
    one = story(words=(SeenWord("Decanted", AT - 400, "unlisted"),))
    new = one.sees(0, "Decanted")
    assert len(new) == 1
    (said,) = one.sees(1, "Decanted")
    assert "stood still for 6m41s" in said


def test_known_words_between_count_as_followers() -> None:
    """`Percolating`, then `Running`: the first was no end, whoever knows the second."""
    one = story()
    one.sees(1, "Percolating")
    one.sees(2, "Running", State.RUNNING)
    assert one.sees(3, "Percolating") == []
    assert one.sees(4000, "Percolating") == []


def test_an_unknown_word_of_the_acceptance_is_said_too() -> None:
    """It may be gone at the first look, and is then never seen again."""
    bench = Bench(job("a"))
    bench.steps.begin(bench.active)
    step = bench.steps.submitted(bench.active, Answer(201, JobInfo("17", State.UNLISTED, "Steeping")))
    (said,) = (each.message for each in step.events if isinstance(each, Warned))
    assert "'Steeping'" in said


def test_commands_that_would_not_work_are_not_named() -> None:
    """A sandbox ends with its run, and what is not on record cannot be learned."""
    assert Commands(raw="", learn="").about("17") == "say what they mean under server.jobInfo.states"
    assert "'a b'" in Commands().about("a b")


def test_a_long_order_is_cut_in_its_middle() -> None:
    """A server that names each file it moves does not fill the log."""
    words = [SeenWord(f"file {number}", AT, "unlisted") for number in range(100)]
    said = sightings.order(words)
    assert "'file 0'" in said
    assert "(92 more)" in said
    assert "'file 99'" in said
