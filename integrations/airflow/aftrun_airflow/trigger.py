"""`AftJobTrigger`: follows an accepted job in the triggerer, where waiting costs next to nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.model import Answer, Json, Outcome, Reply
from aftrun_airflow.clients import CLIENTS, SharedClient
from aftrun_airflow.finish import Finish
from aftrun_airflow.prepare import Prepared, Settings, explained, prepare
from aftrun_airflow.sources import Airflow, AirflowValues, mask
from aftrun_airflow.work import Following

KEEP = 30.0
"""Seconds for which settings are used again. A key that is refused is asked for anew at once."""

SETTLING = 10.0
"""Seconds between a deferral and its event, at least.

Airflow 3.3's scheduler takes a task for lost, and fails it, if it is queued again before the scheduler has heard that
the task's first half ended (`process_executor_events`, "state mismatch").
"""

ENDED = "ended"
OVERDUE = "overdue"
"""The task's `execution_timeout` is over. The job has not ended."""
HAND_BACK = "handBack"
"""The triggerer cannot follow this job; the worker is to."""

_AIRFLOW = Airflow(KEEP)
_prepared: dict[str, tuple[float, Prepared]] = {}


class AftJobTrigger(BaseTrigger):
    """Follows one job to its end, by the core's rules, and fires one event.

    All times are epoch seconds, so that a triggerer that is started again goes on where the last one was.
    No argument is secret: of a connection there is the id, of `${…}` the text.

    Args:
        job_id: the job, as the server calls it.
        accepted_at: since when its clocks run.
        attempt: which submission of the task it was.
        finish: when to give up in any case.
        give_up: when the task's `execution_timeout` is over.
        not_before: when the event may fire at the earliest, see `SETTLING`.
        aft_conn_id: the connection, or None where `server` says all.
        server: a server as manifests describe it.
        **settings: `poll`, `base_dir`, `timeout`, `queue_timeout`, `expect`, `outputs` and `hidden` of
            `prepare.Settings`; times are seconds from `accepted_at`.

    The event's payload is `{"kind": "ended", …}` with the fields of `finish.Finish`, `{"kind": "overdue"}`, or
    `{"kind": "handBack", "message": …}` with, where the outcome is known at least, `outcome`.
    """

    def __init__(
        self,
        *,
        job_id: str,
        accepted_at: float,
        attempt: int = 1,
        finish: float | None = None,
        give_up: float | None = None,
        not_before: float = 0.0,
        aft_conn_id: str | None = None,
        server: Mapping[str, Json] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self._client: SharedClient
        self.job_id = job_id
        self.accepted_at = accepted_at
        self.attempt = attempt
        self.finish = finish
        self.give_up = give_up
        self.not_before = not_before
        self.settings = Settings(aft_conn_id, server, **settings)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What makes the trigger anew, in another process or after a restart."""
        return (
            "aftrun_airflow.trigger.AftJobTrigger",
            {
                "job_id": self.job_id,
                "accepted_at": self.accepted_at,
                "attempt": self.attempt,
                "finish": self.finish,
                "give_up": self.give_up,
                "not_before": self.not_before,
                **self.settings.followed(),
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Follow the job; one event."""
        try:
            prepared = await self._prepare()
            self._client = await CLIENTS.client(prepared)
        except (ManifestError, UsageError) as error:
            event = self._hand_back(f"the triggerer cannot follow job {self.job_id}: {explained(error)}")
            await self._settled()
            yield event
            return
        following = Following(prepared, self.log, finish=self.finish)
        following.resume(self.job_id, self.attempt, self.accepted_at)
        try:
            event = await self._follow(following)
        finally:
            CLIENTS.leave(self._client)
        await self._settled()
        yield event

    async def _settled(self) -> None:
        await asyncio.sleep(max(0.0, min(self.not_before - time.time(), SETTLING)))

    async def on_kill(self) -> None:
        """A person acted on the deferred task. Nothing can be done about the job, and that is said."""
        self.log.warning(
            "the task no longer follows job %s, which goes on, on the server: AFT! documents no way to stop a job",
            self.job_id,
        )

    async def _follow(self, following: Following) -> TriggerEvent:
        # Jobs whose triggers begin in one moment, as after a restart, are not all read in that moment.
        due = time.time() + Random().uniform(0, min(0.5, following.prepared.server.poll.minimum))  # noqa: S311  # no secret
        while True:
            overdue = self.give_up is not None and due >= self.give_up
            at = min(due, self.give_up or due)
            await asyncio.sleep(max(0.0, at - time.time()))
            following.reads()
            step = following.answered(await self._read_status())
            finish = following.finish(step)
            if finish is not None:
                return self._ended(finish, following.prepared)
            if overdue:
                return _event({"kind": OVERDUE, "job_id": self.job_id})
            due = step.due or time.time()

    async def _read_status(self) -> Reply:
        reply = await self._client.status(self.job_id)
        if not isinstance(reply, Answer) or reply.status not in (401, 403):
            return reply
        # The key may have been renewed since it was fetched. Only a refusal of the present one counts.
        _AIRFLOW.forget()
        _prepared.clear()
        try:
            fresh = await CLIENTS.client(await self._prepare())
        except (ManifestError, UsageError):
            return reply
        known, self._client = self._client, fresh
        CLIENTS.leave(known)
        return reply if fresh is known else await fresh.status(self.job_id)

    def _ended(self, finish: Finish, prepared: Prepared) -> TriggerEvent:
        if prepared.missing and finish.outcome is not Outcome.TIMED_OUT:
            names = ", ".join(prepared.missing)
            return self._hand_back(
                f"the triggerer has no value for {names}, so it cannot search what the server says for it", finish
            )
        return _event({"kind": ENDED, **finish.to_json()})

    def _hand_back(self, message: str, finish: Finish | None = None) -> TriggerEvent:
        event: dict[str, Json] = {"kind": HAND_BACK, "message": message, "job_id": self.job_id}
        if finish is not None:
            event |= {"outcome": finish.outcome.value, "reason": finish.reason.value, "exit_code": finish.exit_code}
        return _event(event)

    async def _prepare(self) -> Prepared:
        key = json.dumps(self.settings.followed())
        kept = _prepared.get(key)
        if kept is not None and time.monotonic() - kept[0] < KEEP:
            return kept[1]
        prepared = await CLIENTS.run(self._make)
        for old in [each for each, (at, _) in _prepared.items() if time.monotonic() - at >= KEEP]:
            del _prepared[old]
        _prepared[key] = (time.monotonic(), prepared)
        return prepared

    def _make(self) -> Prepared:
        """Fetch settings and values; in a thread, since Airflow may have to ask for them."""
        values = AirflowValues(_AIRFLOW)
        prepared = prepare(self.settings, self.settings.described(_AIRFLOW), values)
        mask(prepared.secrets)
        return prepared


def _event(payload: dict[str, Json]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow's own
