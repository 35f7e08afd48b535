"""What the command line says about a run, kept with it so that a later process can take the run up the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields

from aftrun.domain.errors import StateError
from aftrun.domain.frozen import dataclass, replace
from aftrun.domain.model import JobInfoMap, Json, Manifest, ServerSpec
from aftrun.domain.words import from_plain, is_plain, of_server, to_plain, unused, with_learned


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
    insecure_http: bool = False
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
    again: tuple[str, ...] = ()
    """Keys of jobs with `once` that run whatever is on record, or `once.ALL`."""
    job_info: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """How job infos are read, by the server's name (see `manifest.learned`), in a manifest's words: learned later."""

    def with_words(self, learned: Mapping[str, JobInfoMap]) -> RunOptions:
        """The same with more of how job infos are read."""
        known = {name: from_plain(plain) for name, plain in self.job_info.items()}
        merged = {name: with_learned(known.get(name, JobInfoMap()), mapping) for name, mapping in learned.items()}
        return replace(self, job_info={name: to_plain(each) for name, each in {**known, **merged}.items()})

    def read_by(self, manifests: Sequence[Manifest]) -> tuple[Manifest, ...]:
        """The manifests, their servers' job infos read as was learned later."""
        words = {name: from_plain(plain) for name, plain in self.job_info.items()}

        def learned(server: ServerSpec) -> ServerSpec:
            found = of_server(words, server.name)
            return server if found is None else replace(server, job_info=with_learned(server.job_info, found))

        return tuple(replace(each, servers=tuple(map(learned, each.servers))) for each in manifests)

    def unused_words(self, names: Iterable[str]) -> str:
        """What to say where servers of these names get nothing of what was learned later, which is of others."""
        return unused({name: from_plain(plain) for name, plain in self.job_info.items()}, names)

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
        made = cls(**known)  # type: ignore[arg-type]  # checked below
        if (wrong := made._unlike()) is not None:
            raise StateError(
                f"the record says that the run was started with {wrong}, in a form that aftrun never writes",
                hint="the state folder is damaged, or was not written by aftrun: use another --state-dir",
            )
        return made

    def _unlike(self) -> str | None:
        """A field that holds what nothing that `to_json` wrote can hold; None where there is none."""
        for each in fields(self):
            value = getattr(self, each.name)
            default = each.default_factory() if callable(each.default_factory) else each.default
            if each.name == "variables":
                fits = isinstance(value, tuple) and all(
                    isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
                    for pair in value
                )
            elif each.name == "inherited":
                fits = isinstance(value, Mapping) and all(isinstance(item, Mapping) for item in value.values())
            elif each.name == "job_info":
                fits = isinstance(value, Mapping) and all(map(is_plain, value.values()))
            elif isinstance(default, tuple):
                fits = isinstance(value, tuple) and all(isinstance(text, str) for text in value)
            elif isinstance(default, bool | str):
                fits = isinstance(value, type(default))
            else:
                fits = value is None or _OPTIONAL[each.name](value)
            if not fits:
                return each.name
        return None


_OPTIONAL: Mapping[str, Callable[[object], bool]] = {
    "url": lambda value: isinstance(value, str),
    "ca_file": lambda value: isinstance(value, str),
    "max_parallel": lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
    "fail_fast": lambda value: isinstance(value, bool),
    "timeout": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
"""What the fields hold that may be None."""


def _plain(value: object) -> Json:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value  # type: ignore[return-value]  # the fields hold nothing else


def _frozen(value: Json) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
