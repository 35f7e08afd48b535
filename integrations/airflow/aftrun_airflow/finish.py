"""How one submission ended, in the form that records, events of triggers and XComs share."""

from __future__ import annotations

from dataclasses import dataclass

from aftrun.domain.events import Reason
from aftrun.domain.model import Json, Outcome
from aftrun.run.policy import is_bad


@dataclass(frozen=True, slots=True)
class Finish:
    """How one submission ended. TemplateWriter are scrubbed."""

    outcome: Outcome
    reason: Reason
    message: str = ""
    job_id: str = ""
    attempt: int = 1
    exit_code: int | None = None
    state: str = ""
    """The server's own word."""
    outputs: tuple[tuple[str, Json], ...] = ()
    at: float = 0.0
    """Epoch seconds."""

    def to_json(self) -> dict[str, Json]:
        """A JSON object, for a trigger's event."""
        return {
            "outcome": self.outcome.value,
            "reason": self.reason.value,
            "message": self.message,
            "job_id": self.job_id,
            "attempt": self.attempt,
            "exit_code": self.exit_code,
            "state": self.state,
            "outputs": dict(self.outputs),
            "at": self.at,
        }

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> Finish:
        """What `to_json` made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        outputs = data["outputs"]
        if not isinstance(outputs, dict):
            raise TypeError("outputs must be an object")
        exit_code = data["exit_code"]
        return cls(
            outcome=Outcome(str(data["outcome"])),
            reason=Reason(str(data["reason"])),
            message=str(data["message"]),
            job_id=str(data["job_id"]),
            attempt=int(str(data["attempt"])),
            exit_code=exit_code if isinstance(exit_code, int) else None,
            state=str(data["state"]),
            outputs=tuple(outputs.items()),
            at=float(str(data["at"])),
        )

    def is_bad(self, *, allow_failure: bool) -> bool:
        """Whether it counts against the task."""
        return is_bad(self.outcome, self.reason, allow_failure=allow_failure)

    def sentence(self) -> str:
        """The outcome and why, for people; the first line says it all."""
        return f"{self.outcome.value}: {self.message}" if self.message else self.outcome.value
