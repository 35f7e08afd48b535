"""What the command line says about a run, kept with it so that a later process can take the run up the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aftrun.domain.errors import StateError
from aftrun.domain.model import Json


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Flags that change what a run does. None and empty: as the manifests say. Nothing here is secret."""

    paths: tuple[str, ...] = ()
    """The manifests, folders already expanded to files."""
    variables: tuple[tuple[str, str], ...] = ()
    url: str | None = None
    ca_file: str | None = None
    fingerprints: tuple[str, ...] = ()
    insecure: bool = False
    max_parallel: int | None = None
    sequential: bool = False
    fail_fast: bool | None = None
    no_wait: bool = False
    timeout: float | None = None
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """Keys of the jobs that a retry runs; empty: all."""
    retry_of: str = ""
    inherited: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """What jobs of the retried run handed on, by key: `{"id": …, "outputs": {…}}`."""
    sandbox: bool = False

    def to_json(self) -> dict[str, Json]:
        """As a JSON object, without what was left as it is."""
        result: dict[str, Json] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if value not in (None, False, "", (), {}) or (name == "fail_fast" and value is False):
                result[name] = _plain(value)
        return result

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> RunOptions:
        """The options that `to_json` made `data` from.

        Raises:
            StateError: another version of aftrun wrote something here that this one does not know.
        """
        known: dict[str, object] = {}
        for name, value in data.items():
            if name not in cls.__slots__:
                raise StateError(
                    f"the run was started with an option that this version does not know: {name}",
                    hint="use the version of aftrun that started it",
                )
            known[name] = _frozen(value) if isinstance(value, list) else value
        return cls(**known)  # type: ignore[arg-type]  # written by to_json


def _plain(value: object) -> Json:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value  # type: ignore[return-value]  # the fields hold nothing else


def _frozen(value: Json) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
