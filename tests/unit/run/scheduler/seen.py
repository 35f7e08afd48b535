"""What tests of the scheduler ask of a run that has ended."""

from __future__ import annotations

from aftrun.domain.model import (
    ServerSpec,
    State,
)
from tests.unit.world import (
    ONE,
    Acts,
    Life,
    Ran,
)

FAILS = Acts((Life(end=State.FAILED, exit_code=1),))
TWO = ServerSpec(name="two", url="https://two:44399", poll=ONE.poll)


def posts(ran: Ran) -> list[str]:
    """The scripts of all POSTs, in order."""
    return [body["scriptName"] for kind, body in ran.world.trace if kind == "post"]


def reason(ran: Ran, name: str) -> str:
    """Why a job ended."""
    return str(ran.result(name).reason)


def message(ran: Ran, name: str) -> str:
    """What is said of a job's end."""
    return str(ran.result(name).message)
