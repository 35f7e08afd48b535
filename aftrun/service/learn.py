"""What was seen of the words for a job's state, and the words that a person explained written where they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aftrun.client.jobinfo.words import Words
from aftrun.domain.errors import AftrunError
from aftrun.domain.events import parse_instant
from aftrun.domain.frozen import dataclass
from aftrun.domain.model import JobInfo, JobInfoMap, RunReport, SeenWord, ServerSpec, State
from aftrun.domain.words import ANY, STATES, in_yaml, normal, with_learned
from aftrun.manifest import learned, load_all
from aftrun.manifest.edit import CannotEdit, add_words, place_of_server
from aftrun.run.fold import seen_next
from aftrun.service.jobs import KnownJob
from aftrun.system.files import write_atomic

NO_ENDS = (State.QUEUED, State.RUNNING)
"""What a word can mean that another one followed."""

Lists = dict[State, list[str]]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A word, when it was seen, and what is known of it."""

    word: str
    at: float
    """Epoch seconds."""
    stood: float
    """Seconds until the next word, or until now."""
    state: State
    passed: bool
    """Another word followed it, here or elsewhere in the run: it is no end."""
    last: bool

    @property
    def unknown(self) -> bool:
        """Whether a person has to say what it means."""
        return self.state is State.UNLISTED

    @property
    def meanings(self) -> tuple[State, ...]:
        """What it can mean."""
        return NO_ENDS if self.passed else STATES


def sightings_of(
    words: Sequence[SeenWord], passed: frozenset[str], mapping: JobInfoMap, until: float
) -> tuple[Sighting, ...]:
    """The words of a job in order; `until` is when it was last looked at, epoch seconds."""
    lists = Words(mapping)
    found = []
    for number, each in enumerate(words):
        end = words[number + 1].at if number + 1 < len(words) else until
        state = lists.state(each.word)
        if state is not State.UNLISTED and each.phase in STATES:
            state = State(each.phase)
        found.append(
            Sighting(
                each.word,
                each.at,
                max(0.0, end - each.at),
                state,
                normal(each.word) in passed,
                number + 1 == len(words),
            )
        )
    return tuple(found)


def words_of(known: KnownJob | None, info: JobInfo | None, now: float) -> tuple[SeenWord, ...]:
    """The words of a job: those on record, and the one that the server says now."""
    words = () if known is None else known.attempt.words
    return words if info is None else seen_next(words, SeenWord(info.status, now, info.state.value))


def last_look(known: KnownJob) -> float:
    """When the run was last heard of: its end, or now where it has none (epoch seconds)."""
    attempt = known.attempt
    ended = known.past.row.ended_at
    return attempt.ended_at or (parse_instant(ended) if ended is not None else attempt.accepted_at or 0.0)


def lists_to_add(
    answers: Mapping[str, State], words: Sequence[SeenWord], report: RunReport | None, mapping: JobInfoMap
) -> Lists:
    """What to write for the answers to questions about words.

    A list in a file takes the place of the built-in one. So where it is new, the words that were seen and read by the
    built-in list go into it as well, or they would be unknown from now on.
    """
    lists: Lists = {}
    given = {state for state, _ in mapping.states}
    seen = [*words, *(word for job in (report.jobs if report else ()) for at in job.attempts for word in at.words)]
    for state in STATES:
        new = [word for word, meant in answers.items() if meant is state]
        if new and state not in given:
            new = [*(each.word for each in seen if Words(mapping).state(each.word) is state), *new]
        distinct = {normal(word): word for word in reversed(new)}
        if distinct:
            lists[state] = [word for word in dict.fromkeys(new) if distinct[normal(word)] == word]
    return lists


def as_map(lists: Lists) -> JobInfoMap:
    """The lists as a `JobInfoMap`."""
    return JobInfoMap(states=tuple((state, tuple(words)) for state, words in lists.items()))


def as_yaml(lists: Lists) -> str:
    """The lines for a person to put under `server:`."""
    lines = [f"    {state.value}: [{', '.join(map(in_yaml, words))}]" for state, words in lists.items()]
    return "\n".join(["jobInfo:", "  states:", *lines]) + "\n"


def on_disk(path: str, manifest: str, server: str) -> JobInfoMap | None:
    """How a manifest as it is now says that a server's job info is read; None where it cannot be asked."""
    try:
        return _server(path, manifest, server).job_info
    except AftrunError:
        return None


def write_manifest(path: str, manifest: str, server: str, lists: Lists) -> str:
    """Put the words where a manifest describes the server; returns the path of the file, which may be an included one.

    Raises:
        CannotEdit: the file has no safe place for them; it was not changed.
        ManifestError: the manifest is wrong.
        StateError: the file cannot be written.
    """
    spec = _server(path, manifest, server)
    wanted = with_learned(spec.job_info, as_map(lists))
    if spec.origin is None:
        raise CannotEdit(f"{path} does not say where its server is described")
    place = spec.origin.path
    before = Path(place).read_bytes()
    after = add_words(place, before, spec.origin, lists)

    def read(each: str) -> bytes:
        return after if each == place else Path(each).read_bytes()

    if _server(path, manifest, server, read).job_info != wanted:
        raise CannotEdit(f"{place} takes a part of server.jobInfo from another file, so it was not changed")
    _rewrite(Path(place), after)
    return place


def _rewrite(path: Path, data: bytes) -> None:
    """New contents for a file that keeps its place behind links, and who may read it."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777
    write_atomic(target, data.decode())
    target.chmod(mode)


def _server(path: str, manifest: str, server: str, read: Callable[[str], bytes] | None = None) -> ServerSpec:
    loaded = load_all([path], read=read, insecure_http=True)
    found = [each for each in loaded.manifests if each.name == manifest] or list(loaded.manifests[:1])
    try:
        return found[0].server(server)
    except (IndexError, KeyError):
        raise CannotEdit(f"{path} has no server {server!r}") from None


def write_words(path: Path, url: str, lists: Lists) -> None:
    """Put the words into a file of their own, for `--job-info-from`, beside those that are there.

    Raises:
        CannotEdit: the file that is there has no safe place for them.
        ManifestError: the file that is there is wrong.
        StateError: it cannot be written.
        UsageError: the file that is there is something else.
    """
    if not path.exists():
        body = "".join(f"  {line}\n" for line in as_yaml(lists).splitlines())
        write_atomic(path, f"# What the words of {url} mean, as a person said; for --job-info-from.\nserver:\n{body}")
        return
    before = learned.read(str(path)).get(ANY, JobInfoMap())
    listed = {state: set(map(normal, words)) for state, words in before.states}
    fresh = {
        state: [each for each in words if normal(each) not in listed.get(state, ())] for state, words in lists.items()
    }
    data = path.read_bytes()
    after = add_words(str(path), data, place_of_server(str(path), data), fresh)
    if learned.parse(str(path), after).get(ANY) != with_learned(before, as_map(fresh)):
        raise CannotEdit(f"{path} says how to read job infos in more than one place")
    _rewrite(path, after)
