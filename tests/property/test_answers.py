"""Whatever a server answers, a job comes to an end that is true, or is read again; nothing of ours breaks."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aftrun.client.jobinfo import info as jobinfo
from aftrun.client.jobinfo import keys
from aftrun.domain.model import Answer, JobInfoMap, Outcome, State
from tests.unit.run.test_steps import Bench
from tests.unit.world import job

ID = "17"
_NAMES = st.sampled_from(sorted(keys.ALL)) | st.sampled_from(["id", "status", "state", "exitCode", "data", "x", ""])
_WORDS = st.sampled_from(
    ["", " ", "\t", "\u00a0", "\u200b", "\x00", "-", "done", "ok", "Failed", "running", "frob", "ended", "unknown", ID]
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | _WORDS | st.text(max_size=4)
_BODIES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=10
)
_LIKELY = st.builds(
    lambda state, more: {"id": ID, **state, **more},
    st.dictionaries(st.sampled_from(["status", "state", "exitCode", "jobStatus"]), _WORDS | _BODIES, max_size=2),
    st.dictionaries(_NAMES, _BODIES, max_size=2),
)
"""What looks like a job info."""
_ANSWERS = st.tuples(st.sampled_from([200, 200, 200, 201, 202, 404, 429, 500]), _LIKELY | _BODIES)


def answer(status: int, body: Any) -> Answer:
    """As the client makes it."""
    info = jobinfo.read(body, JobInfoMap()) if status < 300 else None
    return Answer(status, info, jobinfo.error_message(body) if status >= 300 else "")


@given(st.just((201, {"id": ID})) | _ANSWERS, st.lists(_ANSWERS, max_size=6))
def test_a_job_is_followed_to_a_true_end(posted: tuple[int, Any], reads: list[tuple[int, Any]]) -> None:
    """It succeeds only where an answer about its very id said so, and is sent once, whatever the answers are."""
    bench = Bench(job("a", expect=("status",), outputs=(("n", "id"),)))
    bench.steps.begin(bench.active)
    bench.steps.intend(bench.active)
    step = bench.steps.submitted(bench.active, answer(*posted))
    shown: list[Answer] = []
    for number, read in enumerate(reads):
        if step.end is not None or not bench.active.job_id:
            break
        bench.world.advance(1001.0 + 400.0 * number)
        shown.append(answer(*read))
        step = bench.steps.read(bench.active, shown[-1])
    assert (step.end is None) != (step.due is None)
    if step.end is not None and step.end.outcome is Outcome.SUCCEEDED:
        last = shown[-1].info
        assert last is not None
        assert last.state is State.SUCCEEDED
        assert last.id in (None, bench.active.job_id) or bench.active.job_id in [text for _, text in last.ids]
        assert last.exit_code in (None, 0)
