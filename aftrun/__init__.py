"""aftrun: a declarative job runner for Syncplify AFT!.

`load` and `load_all` read manifests, `apply` runs them and returns a `RunReport`, `Client` talks to one server. Nothing
is imported before it is used, so that importing aftrun costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # as type checkers know it; typing's own takes longer to import than all of this
if TYPE_CHECKING:
    from aftrun.domain.errors import (
        AftrunError,
        Ambiguous,
        ManifestError,
        Refused,
        Rejected,
        ServerError,
        StateError,
        UnderWay,
        Unreachable,
        UsageError,
    )
    from aftrun.domain.model import Job, JobInfo, JobResult, Manifest, Outcome, RunReport, State
    from aftrun.service.library import Client, apply, load, load_all

_HOMES = {
    **dict.fromkeys(("Client", "apply", "load", "load_all"), "aftrun.service.library"),
    **dict.fromkeys(
        (
            "AftrunError",
            "Ambiguous",
            "ManifestError",
            "Refused",
            "Rejected",
            "ServerError",
            "StateError",
            "UnderWay",
            "Unreachable",
            "UsageError",
        ),
        "aftrun.domain.errors",
    ),
    **dict.fromkeys(
        ("Job", "JobInfo", "JobResult", "Manifest", "Outcome", "RunReport", "State"), "aftrun.domain.model"
    ),
}

__all__ = [
    "AftrunError",
    "Ambiguous",
    "Client",
    "Job",
    "JobInfo",
    "JobResult",
    "Manifest",
    "ManifestError",
    "Outcome",
    "Refused",
    "Rejected",
    "RunReport",
    "ServerError",
    "State",
    "StateError",
    "UnderWay",
    "Unreachable",
    "UsageError",
    "__version__",
    "apply",
    "load",
    "load_all",
]


if not TYPE_CHECKING:  # which would take every name for one that is there, misspelt ones too

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """The public names, for those who explore at a prompt."""
    return sorted(__all__)
