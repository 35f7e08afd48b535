"""Who may start next: needs, slots, keys, fail-fast, stages. No time, no servers."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.events import Reason
from aftrun.domain.model import Manifest, ServerSpec, When
from aftrun.run.gate import Gate, Mark, Skip
from aftrun.run.plan import make_plan
from tests.unit.world import ONE, job, manifest, parallel

TWO = ServerSpec(name="two", url="https://two:1")


def gate(*manifests: Manifest, keep_going: bool = False) -> Gate:
    """A gate whose first stage has begun."""
    made = Gate(make_plan(manifests, keep_going=keep_going))
    assert made.advance() == []
    return made


def take(one: Gate, servers: tuple[int, ...] = (0,)) -> list[int]:
    """All jobs that may start now, in the order in which they are handed out."""
    found = []
    while (task := one.next(servers)) is not None:
        found.append(task.index)
    return found


def reasons(skips: list[Skip]) -> dict[int, Reason]:
    """The skips by job; each tells a person why."""
    assert all(skip.message for skip in skips)
    return {skip.index: skip.reason for skip in skips}


def test_one_slot_hands_out_one_job_at_a_time() -> None:
    """Sequential: nothing more until the one under way has ended."""
    one = gate(manifest(job("a"), job("b")))
    assert take(one) == [0]
    assert take(one) == []
    one.end(0, Mark.GOOD)
    assert take(one) == [1]


def test_slots_and_needs() -> None:
    """Side by side up to the limit; a job with needs waits for all of them."""
    one = gate(parallel(job("a"), job("b"), job("c", needs=("a", "b")), job("d"), max_parallel=3))
    assert take(one) == [0, 1, 3]
    one.end(0, Mark.GOOD)
    assert take(one) == []
    one.end(1, Mark.GOOD)
    assert take(one) == [2]


def test_a_server_that_is_not_open_holds_back_only_its_own_jobs() -> None:
    """Jobs of the servers named are handed out, in manifest order; the others stay."""
    one = gate(parallel(job("a"), job("b", server="two"), job("c"), servers=(ONE, TWO)))
    assert take(one, (1,)) == [1]
    assert take(one, ()) == []
    assert take(one, (0, 1)) == [0, 2]


def test_a_concurrency_key_parks_the_others() -> None:
    """They come back in manifest order when the holder has ended."""
    one = gate(parallel(job("a", concurrency="k"), job("b", concurrency="k"), job("c"), job("d", concurrency="k")))
    assert take(one) == [0, 2]
    one.end(2, Mark.GOOD)
    assert take(one) == []
    one.end(0, Mark.GOOD)
    assert take(one) == [1]
    one.end(1, Mark.BAD)
    assert take(one) == [3]


def test_a_key_whose_holder_may_run_on_is_not_free_again() -> None:
    """Its slot is; who waits for the key is skipped, at once or when its needs have ended, in later stages too."""
    jobs = (
        job("a", concurrency="k"),
        job("b", concurrency="k"),
        job("c"),
        job("d", concurrency="k", needs=("c",), when=When.ALWAYS),
        job("e", concurrency="other"),
    )
    one = gate(parallel(*jobs), parallel(job("f", concurrency="k"), job("g"), name="later"), keep_going=True)
    assert take(one) == [0, 2, 4]
    skips = one.end(0, Mark.BAD, seen=False)
    assert reasons(skips) == {1: Reason.NEEDS}
    assert skips[0].message == (
        "not started, since a has the same concurrency key and may still be running: nobody saw its end"
    )
    assert one.end(1, Mark.BAD) == []
    assert reasons(one.end(2, Mark.GOOD)) == {3: Reason.NEEDS}
    one.end(3, Mark.BAD)
    one.end(4, Mark.GOOD)
    begun = one.advance()
    assert begun is not None
    assert reasons(begun) == {5: Reason.NEEDS}
    one.end(5, Mark.BAD)
    assert take(one) == [6]


def test_a_job_of_an_earlier_process_that_may_run_on_keeps_its_key() -> None:
    """A resume begins where the run was left: the key is not free in the new process either."""
    one = Gate(make_plan([parallel(job("a", concurrency="k", wait=False), job("b", concurrency="k"), job("c"))]))
    one.adopt(0, Mark.GOOD, seen=False)
    (skip,) = one.advance() or []
    assert (skip.index, skip.reason) == (1, Reason.NEEDS)
    assert "it was not waited for" in skip.message
    assert take(one) == [2]


def test_a_job_of_an_earlier_process_whose_end_was_seen_frees_its_key() -> None:
    """However it ended: its key is for the next job that wants it."""
    for mark in Mark:
        one = Gate(make_plan([parallel(job("a", concurrency="k"), job("b", concurrency="k"))]))
        one.adopt(0, mark)
        assert one.advance() == []
        assert take(one) == [1]


def test_a_job_of_a_later_stage_that_is_read_again_has_no_slot_in_this_one() -> None:
    """A resume reads jobs of both manifests; the end of the second one's makes no place in the first."""
    one = Gate(make_plan([parallel(job("a"), job("b"), max_parallel=1), manifest(job("c"), name="two")]))
    one.adopt(0, None)
    one.adopt(2, None)
    assert one.advance() == []
    one.end(2, Mark.GOOD)
    assert take(one) == []
    one.end(0, Mark.GOOD)
    assert take(one) == [1]


def test_skips_by_when() -> None:
    """Each kind of need's end against each `when`."""
    jobs = [
        job("n"),
        job("s", needs=("n",)),
        job("f", needs=("n",), when=When.FAILURE),
        job("a", needs=("n",), when=When.ALWAYS),
    ]
    for mark, skips, ready in [
        (Mark.GOOD, {2: Reason.NOT_NEEDED}, [1, 3]),
        (Mark.BAD, {1: Reason.NEEDS}, [2, 3]),
        (Mark.NEUTRAL, {1: Reason.NOT_NEEDED, 2: Reason.NOT_NEEDED}, [3]),
    ]:
        one = gate(parallel(*jobs))
        assert take(one) == [0]
        assert reasons(one.end(0, mark)) == skips
        assert take(one) == ready


def test_a_failure_handler_without_needs_is_not_needed() -> None:
    """`when: failure` asks about needs; without any, nothing can have failed."""
    one = Gate(make_plan([manifest(job("f", when=When.FAILURE))]))
    skips = one.advance()
    assert skips is not None
    assert reasons(skips) == {0: Reason.NOT_NEEDED}


def test_fail_fast_takes_what_waits_for_success_once() -> None:
    """Later bad ends take nothing more; jobs under way are left alone."""
    jobs = [job("a"), job("b"), job("c"), job("always", when=When.ALWAYS)]
    one = gate(parallel(*jobs, max_parallel=2, fail_fast=True))
    assert take(one) == [0, 1]
    assert reasons(one.end(0, Mark.BAD)) == {2: Reason.FAIL_FAST}
    assert reasons(one.end(1, Mark.BAD)) == {}
    assert take(one) == [3]


def test_a_closed_gate_hands_out_nothing() -> None:
    """After an interruption nothing new starts, whatever is ready."""
    one = gate(parallel(job("a"), job("b")))
    one.closed = True
    assert take(one) == []
    assert one.free() == [0, 1]


def test_a_job_that_was_taken_away_is_not_handed_out() -> None:
    """The caller skips it."""
    one = gate(parallel(job("a"), job("b")))
    one.take_away(0)
    assert one.free() == [1]
    assert take(one) == [1]


def test_stages_follow_one_another() -> None:
    """The next begins when the last has ended, and only a bad end stands in its way."""
    one = gate(parallel(job("a"), name="m1"), parallel(job("b"), name="m2"), parallel(job("c"), name="m3"))
    assert take(one) == [0]
    assert one.advance() is None
    one.end(0, Mark.GOOD)
    assert one.advance() == []
    assert one.stage == 1
    assert take(one) == [1]
    one.end(1, Mark.BAD)
    skips = one.advance()
    assert skips is not None
    assert reasons(skips) == {2: Reason.FAIL_FAST}
    one.end(2, Mark.BAD)
    assert one.advance() is None
    assert one.done


def test_a_skip_names_the_job_that_it_follows_from_as_the_run_does() -> None:
    """`manifest/job` where two manifests have a job of that name, the name alone where one has; and the manifest."""

    def night(name: str) -> Manifest:
        held = job("held", wait=False, concurrency="k")
        return parallel(job("load"), job("tell", needs=("load",)), held, job("behind", concurrency="k"), name=name)

    one = gate(night("eu"), night("us"), parallel(job("last"), name="end"))
    assert take(one) == [0, 2]
    said = [skip.message for skip in (*one.end(0, Mark.BAD), *one.end(2, Mark.GOOD, seen=False))]
    assert said == [
        "it needs eu/load, which did not succeed",
        "not started, since eu/held has the same concurrency key and may still be running: it was not waited for",
    ]
    assert one.end(1, Mark.BAD) == one.end(3, Mark.BAD) == []
    assert {skip.message for skip in one.advance() or ()} == {
        "not started, since manifest eu ended badly (see --keep-going)"
    }
    fast = gate(parallel(job("a"), job("b"), fail_fast=True, max_parallel=1, name="m"), parallel(job("b"), name="n"))
    assert take(fast) == [0]
    assert [skip.message for skip in fast.end(0, Mark.BAD)] == ["not started, since a ended badly (see --keep-going)"]


def test_keep_going_begins_the_next_stage_all_the_same() -> None:
    """`--keep-going` goes on to the next manifest after a bad end."""
    one = gate(parallel(job("a"), name="m1"), parallel(job("b"), name="m2"), keep_going=True)
    assert take(one) == [0]
    one.end(0, Mark.BAD)
    assert one.advance() == []
    assert take(one) == [1]


def test_adopted_jobs_hold_their_slots_and_keys() -> None:
    """A job under way from an earlier process counts, a finished one does not."""
    one = Gate(
        make_plan([parallel(job("a"), job("b", concurrency="k"), job("c", concurrency="k"), job("d"), max_parallel=2)])
    )
    one.adopt(0, Mark.GOOD)
    one.adopt(1, None)
    assert one.advance() == []
    assert take(one) == [3]
    one.end(1, Mark.GOOD)
    assert take(one) == [2]


def test_adopting_a_bad_end_fails_fast_again() -> None:
    """The skips that an earlier process did not get to are worked out anew."""
    one = Gate(make_plan([manifest(job("a"), job("b"), job("c", needs=("a",), when=When.FAILURE))]))
    one.adopt(0, Mark.BAD)
    skips = one.advance()
    assert skips is not None
    assert reasons(skips) == {1: Reason.FAIL_FAST}
    assert take(one) == [2]


def test_a_whole_stage_adopted_is_passed_over() -> None:
    """Nothing is left to do there; the next stage is one step away."""
    one = Gate(make_plan([manifest(job("a"), name="m1"), manifest(job("b"), name="m2")]))
    one.adopt(0, Mark.GOOD)
    assert one.advance() == []
    assert one.advance() == []
    assert take(one) == [1]


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 4), st.booleans())
def test_every_job_is_handed_out_or_skipped_exactly_once(seed: int, count: int, slots: int, fail_fast: bool) -> None:
    """Random graphs, ends and orders of ends: never more than the slots, never before a need, nobody left over."""
    random = Random(seed)  # noqa: S311  # a test's dice
    jobs = [
        job(
            f"j{n}",
            needs=tuple(f"j{m}" for m in range(n) if random.random() < 0.3),
            when=random.choice(list(When)),
            concurrency=random.choice(["", "", "k"]),
        )
        for n in range(count)
    ]
    one = Gate(make_plan([parallel(*jobs, max_parallel=slots, fail_fast=fail_fast)]))
    skips = one.advance()
    assert skips is not None
    running: set[int] = set()
    stuck = False
    over: dict[int, Mark] = {}
    queue = list(skips)
    while True:
        while queue:
            skip = queue.pop(0)
            assert skip.index not in over
            assert skip.index not in running
            over[skip.index] = Mark.NEUTRAL if skip.reason is Reason.NOT_NEEDED else Mark.BAD
            queue += one.end(skip.index, over[skip.index])
        for index in take(one):
            assert index not in over
            assert all(int(need[1:]) in over for need in jobs[index].needs)
            running.add(index)
        assert len(running) <= slots
        assert sum(jobs[index].concurrency == "k" for index in running) <= (not stuck)
        if not running:
            break
        index = random.choice(sorted(running))
        running.remove(index)
        over[index] = random.choice([Mark.GOOD, Mark.BAD])
        seen = random.random() < 0.8
        stuck = stuck or (not seen and jobs[index].concurrency == "k")
        queue += one.end(index, over[index], seen=seen)
    assert sorted(over) == list(range(count))
    one.advance()
    assert one.done
