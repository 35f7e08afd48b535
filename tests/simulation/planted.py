"""Known bugs, planted one at a time: a simulation that does not find them proves nothing by finding none.

A bug is a piece of a function's source and what stands there instead. Only the function's code is exchanged, in place,
so that everybody who has imported it runs the bug.
"""

from __future__ import annotations
import __future__

import contextlib
import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from tests.simulation.many import play
from tests.simulation.network import Reader


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug that is known.

    `where` is ``module:Class.function``; each pair in `changes` is what stands there, once (blanks aside), and what is
    planted in its place.
    """

    name: str
    where: str
    changes: tuple[tuple[str, str], ...]

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """Code with the bug in it, for a while."""
        function = _function(self.where)
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in self.changes:
            place = re.compile(r"\s+".join(map(re.escape, old.split())))
            count = len(place.findall(source))
            assert count == 1, f"{self.name}: {self.where} has changed, and holds {old!r} {count} times"
            source = place.sub(lambda _, new=new: new, source)  # type: ignore[misc]  # a default is how it is bound
        healthy = function.__code__
        function.__code__ = _compiled(source, healthy)
        try:
            yield
        finally:
            function.__code__ = healthy


def _function(where: str) -> types.FunctionType:
    module, _, path = where.partition(":")
    found: Any = reduce(inspect.getattr_static, path.split("."), importlib.import_module(module))
    found = getattr(found, "__func__", found)
    assert isinstance(found, types.FunctionType)
    return found


def _compiled(source: str, healthy: types.CodeType) -> types.CodeType:
    flags = __future__.annotations.compiler_flag
    module = compile(source, healthy.co_filename, "exec", flags=flags, dont_inherit=True)
    codes = [each for each in module.co_consts if isinstance(each, types.CodeType) and each.co_name == healthy.co_name]
    return codes[-1]


@dataclass(frozen=True, slots=True)
class Found:
    """When and as what a bug was found."""

    nights: int
    seed: int
    promise: str


def hunt(bug: Bug, most: int, first: int = 0) -> Found | None:
    """Play nights with a bug planted until a promise is broken; None where that takes more than `most`."""
    reader = Reader()
    with bug.planted():
        for seed in range(first, first + most):
            _, promise = play(seed, reader)
            if promise:
                return Found(seed - first + 1, seed, promise)
    return None


_POLICY, _STEPS, _GATE = "aftrun.run.policy", "aftrun.run.steps:Steps", "aftrun.run.gate:Gate"
_LOOP = "aftrun.run.scheduler:Scheduler"

BUGS: tuple[Bug, ...] = (
    Bug(
        "intent recorded after its POST",
        f"{_LOOP}._turn",
        (
            ("refused = self._recorder.flush(self._lose_state)", "refused = ()"),
            ("self._calls.popleft()", "self._calls.popleft(); self._recorder.flush(self._lose_state)"),
        ),
    ),
    Bug(
        "resume submits again what was under way",
        f"{_STEPS}.adopt",
        (
            ('if seen.phase == "submitting":', "if False:"),
            ('if seen.phase == "deferred":', 'if seen.phase in ("deferred", "submitting"):'),
        ),
    ),
    Bug(
        "time of acceptance not set on resume",
        f"{_STEPS}.adopt",
        (("active.accepted = now - max(0.0, wall - (attempt.accepted_at or wall))", "pass"),),
    ),
    Bug(
        "clocks begin anew on resume",
        f"{_STEPS}.adopt",
        (("active.accepted = now - max(0.0, wall - (attempt.accepted_at or wall))", "active.accepted = now"),),
    ),
    Bug(
        "attempts counted from 1 again on resume",
        f"{_STEPS}.adopt",
        (
            (
                "active.attempt, active.tries = attempt.number, attempt.tries",
                "active.attempt, active.tries = 1, attempt.tries",
            ),
        ),
    ),
    Bug(
        "404 grace not begun anew after another error",
        f"{_STEPS}._note",
        (("if not decision.missing: active.missing_since = None", "if not decision.missing: pass"),),
    ),
    Bug(
        "unlisted state is a success when the clock runs out",
        f"{_POLICY}:out_of_time",
        (("Outcome.UNKNOWN, Reason.UNLISTED", "Outcome.SUCCEEDED, Reason.UNLISTED"),),
    ),
    Bug(
        "a bad end does not keep the next manifest",
        f"{_GATE}.advance",
        (("if self._broken and not self._plan.keep_going:", "if False:"),),
    ),
    Bug(
        "failFast of one manifest disarms that of the next",
        f"{_GATE}.advance",
        (("self._failing_fast = False", "pass"),),
    ),
    Bug(
        "a POST that may have arrived is tried again",
        f"{_POLICY}:after_submit",
        (("if not reply.sent: return NotProcessed", "if True: return NotProcessed"),),
    ),
    Bug(
        "503 without Retry-After is tried again",
        f"{_POLICY}:_put_off",
        (("if answer.status == 503 and answer.retry_after is None:", "if False:"),),
    ),
    Bug(
        "new jobs start after Ctrl-C",
        f"{_LOOP}._turn",
        (
            ("self._interrupted = self._gate.closed = True", "self._interrupted = True"),
            ("if not self._signal:", "if True:"),
            ("self._overtaken(self._jobs[ticket.index]) if ticket.submits else None", "None"),
        ),
    ),
    Bug(
        "a POST leaves whose intent could not be recorded",
        f"{_LOOP}._lose_state",
        (("self._calls = deque(call for call in self._calls if not call[0].submits)", "pass"),),
    ),
    Bug(
        "answers under way are thrown away when something of ours fails",
        f"{_LOOP}._wind_up",
        (("if not self._posts_in_flight: return", "return"),),
    ),
    Bug(
        "unknown is forgiven by allowFailure",
        f"{_POLICY}:is_bad",
        (("not allow_failure or outcome is Outcome.UNKNOWN", "not allow_failure"),),
    ),
    Bug(
        "expect is not looked at",
        f"{_STEPS}._expect",
        (("if message is None:", "if True:"),),
    ),
    Bug(
        "an answer about another job counts",
        f"{_POLICY}:_read",
        (("if strange:", "if False:"),),
    ),
    Bug(
        "an id that stands anywhere in an answer makes it about the job",
        "aftrun.domain.jobids:mismatch",
        (("if all(ours) or (any(ours) and not certain):", "if job_id in str(info.raw):"),),
    ),
    Bug(
        "a refused read makes the outcome unknown at once",
        f"{_STEPS}._patience",
        (("active.refused_since + self.plan.servers[active.task.server].submit_timeout", "active.refused_since"),),
    ),
    Bug(
        "Retry-After on a read counts for a year",
        f"{_POLICY}:after_read",
        (("min(reply.retry_after, LONGEST_READ_WAIT)", "reply.retry_after"),),
    ),
    Bug(
        "two live jobs may have the same id",
        f"{_STEPS}._shared",
        (("if not open_ones:", "if True:"),),
    ),
    Bug(
        "a concurrency key is free again after timedOut",
        f"{_GATE}.end",
        (("if seen: self._release(task)", "self._release(task)"), ("[] if seen else self._stick(index)", "[]")),
    ),
    Bug(
        "finishBy is frozen when the process begins",
        "aftrun.run.ports:Deadlines.__getitem__",
        (("self._clock.monotonic() + (instant - self._clock.wall())", "instant - self._clock._offset"),),
    ),
    Bug(
        "finishBy goes by the zone of the machine that resumes",
        "aftrun.run.plan:finish_time",
        (("zones.zone(zone)", 'zones.zone("")'),),
    ),
    Bug(
        "what was put off is still sent after finishBy",
        f"{_STEPS}.too_late",
        (("if self.clock.monotonic() < self.finishes[active.task.stage]:", "if True:"),),
    ),
    Bug(
        "the journal is ignored where the state file has lost something",
        "aftrun.run.store.reconcile:reconcile",
        (("found |= journal.events", "pass"),),
    ),
    Bug(
        "a rate that opens while the record is written is missed",
        f"{_LOOP}._patience",
        (("self._queues.next_opening(self._picked_at)", "self._queues.next_opening(now)"),),
    ),
    Bug(
        "an end is taken from any answer",
        f"{_POLICY}:after_read",
        (
            (
                "if 200 <= status < 300: return _read(reply, job_id, id_field)",
                "if reply.info is not None: return _read(reply, reply.info.id or job_id, id_field)",
            ),
        ),
    ),
)
"""Each of these was a fault of a version, or is one line away from being one."""
