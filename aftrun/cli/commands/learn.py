"""`aftrun learn`: what a job's words for its state mean, asked one by one, and written where they are read."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import complete, serverflags
from aftrun.cli.boundary import emit, say
from aftrun.cli.flags import argument, flag
from aftrun.domain import jobids
from aftrun.domain.errors import AftrunError, ExitCode, UsageError
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_zone
from aftrun.domain.model import Outcome, RunOutcome, ServerSpec, State
from aftrun.domain.text import one_line
from aftrun.domain.words import STATES, normal, of_server, with_learned
from aftrun.system.lines import record_flag
from aftrun.system.shell import command

if TYPE_CHECKING:
    from aftrun.domain.model import JobInfo, JobInfoMap
    from aftrun.service.jobs import KnownJob
    from aftrun.service.learn import Lists, Sighting

_SHORT = {"q": State.QUEUED, "r": State.RUNNING}
"""Ends have no short form: whoever takes a word for one types it out."""


def learn(
    flags: serverflags.TargetFlags,
    job_id: Annotated[
        str,
        argument(help="The job's id, as the server or aftrun printed it.", metavar="JOB_ID", complete=complete.job_ids),
    ],
    to: Annotated[
        Path | None,
        flag("--to", help="Write the words to this file, for --job-info-from; not to the manifest.", metavar="FILE"),
    ] = None,
    word: Annotated[
        list[str] | None,
        flag(
            "--word",
            help="What a word means, instead of a question; STATE as in jobInfo.states (repeatable).",
            metavar="WORD=STATE",
            many=str,
        ),
    ] = None,
) -> int:
    """Show a server's words for a job's state, ask what the unknown ones mean, and write that down.

    One question a word. A word that another one followed was no end, so it can only mean queued or running. The words
    go into the manifest of the run, comments and layout kept, or to a file; `aftrun resume RUN --job-info-from FILE`
    then ends a run that began without them, and submits nothing twice.
    """
    from aftrun.service import jobs
    from aftrun.service import learn as service

    jobids.checked(job_id)
    given = _given(word or ())
    state_dir = flags.state.folder
    known = jobs.find(state_dir, job_id)
    if to is None:
        _place(flags, known)  # before anybody is asked anything
    found = _read_now(flags, job_id, known)
    mapping = _mapping(flags, known, to, found.spec)
    now = time.time()
    words = service.words_of(known, found.info, now)
    if not words:
        raise UsageError(
            f"nothing was seen of job {job_id}: it is not on record in {state_dir}, and {found.why}",
            hint="say where it is: -m MANIFEST, --server URL, or --state-dir DIR",
        )
    report = known.past.report if known is not None else None
    passed = jobs.passed_words(known, words)
    until = now if known is None or found.info is not None else service.last_look(known)
    seen = service.sightings_of(words, passed, mapping, until)
    emit(_as_text(seen, job_id, known, found))
    answers = _answers(seen, given)
    lists = service.lists_to_add(answers, words, report, mapping)
    if not lists:
        unknown = any(each.unknown for each in seen)
        say("nothing was written" if unknown else "aftrun knows every word of it: there is nothing to learn")
        return int(ExitCode.UNKNOWN if unknown else ExitCode.OK)
    path = _write(flags, known, to, found, lists)
    say(f"wrote {path}:")
    say("".join(f"  {line}\n" for line in service.as_yaml(lists).splitlines()).rstrip("\n"))
    for line in _next_steps(job_id, known, path, state_dir):
        say(line)
    return 0


@dataclass(frozen=True, slots=True)
class _Read:
    """The job on its server now, as far as that can be had."""

    spec: ServerSpec
    info: JobInfo | None = None
    why: str = ""
    """Why there is none."""


def _read_now(flags: serverflags.TargetFlags, job_id: str, known: KnownJob | None) -> _Read:
    """Look at the job. A server that cannot be had is no obstacle where the record knows words."""
    from aftrun.cli.running import warn
    from aftrun.service import jobs
    from aftrun.service.single_server import must_answer, read_status, single_server

    spec = ServerSpec()
    if known is not None:
        spec = jobs.spec_of(known, jobs.manifests_of(flags.state.folder, known.run, flags.outside()))
    try:
        target = flags.target([job_id])
        spec = target.spec
        server = single_server(spec, flags.environ(spec), hidden=target.hidden)
        warn(server.setup)
        reply = read_status(server, job_id)
        must_answer(reply, job_id)
    except AftrunError as error:
        if known is None:
            raise
        return _Read(spec, why=error.message)
    return _Read(spec, reply.info)  # type: ignore[union-attr]  # must_answer has made sure


def _given(pairs: Sequence[str]) -> dict[str, tuple[str, State]]:
    """`--word WORD=STATE`: the words as they are compared, each with its spelling and its meaning.

    Raises:
        UsageError: one is not of that form, or two say different things of one word.
    """
    found: dict[str, tuple[str, State]] = {}
    for pair in pairs:
        word, equals, meaning = pair.rpartition("=")
        if not equals or not word or meaning not in {state.value for state in STATES}:
            raise UsageError(
                f"--word {pair}: not of the form WORD=STATE",
                hint="STATE is one of queued, running, succeeded, failed, cancelled",
            )
        other, state = found.setdefault(normal(word), (word, State(meaning)))
        if state != meaning:
            raise UsageError(
                f"--word {other}={state} and --word {pair}: one word means one thing",
                hint="words are compared without case, blanks, - and _",
            )
    return found


def _as_text(seen: Sequence[Sighting], job_id: str, known: KnownJob | None, found: _Read) -> str:
    """The words, one line each, and what the server says now."""
    from aftrun.cli.view.table import rows_to_text  # only for this output
    from aftrun.domain.durations import human_duration

    name = "" if known is None else f" ({known.job.name}, run {known.run})"
    lines = [f"job {job_id}{name}: the words for its state, as they were seen", ""]
    rows = []
    for each in seen:
        stood = human_duration(float(round(each.stood))) + (" so far" if each.last else "")
        read = "not known" if each.unknown else each.state.value
        read += "; another word followed, so it is no end" if each.unknown and each.passed else ""
        clock = at_zone(each.at, None).strftime("%H:%M:%S")
        rows.append([one_line(each.word), clock, stood, read])
    table = rows_to_text(["WORD", "SEEN", "FOR", "READ AS"], rows)
    lines += ["  " + "  ".join(cells).rstrip() for cells in table]
    if found.info is None:
        lines += ["", f"its server was not read now: {one_line(found.why)}"]
    else:
        code = "" if found.info.exit_code is None else f", exit code {found.info.exit_code}"
        lines += ["", f"the server says now: {one_line(found.info.status)}{code}"]
    return "\n".join(lines) + "\n"


def _answers(seen: Sequence[Sighting], given: Mapping[str, tuple[str, State]]) -> dict[str, State]:
    """What each unknown word means: what was given, else what a person answers. Words left open are left out.

    Raises:
        UsageError: what was given cannot be.
    """
    read = {normal(each.word): each for each in seen}
    for key, (word, said) in given.items():
        if key not in read:
            say(f"note: --word {word}={said}: this job was never seen in that state, so nothing is written of it")
        elif not read[key].unknown and read[key].state is not said:
            raise UsageError(
                f"--word {word}={said}: {read[key].word!r} is read as {read[key].state} already",
                hint="if that is wrong, say so in `jobInfo.states` of the manifest, by hand",
            )
    found: dict[str, State] = {}
    # A word that came more than once is asked about once, by its last place; the order is that of the first places.
    for each in {normal(each.word): each for each in seen if each.unknown}.values():
        meaning = given.get(normal(each.word), ("", None))[1]
        if meaning is not None and meaning not in each.meanings:
            raise UsageError(
                f"--word {each.word}={meaning.value}: another word followed {each.word!r}, so it is no end",
                hint="it can mean queued or running",
            )
        meaning = _ask(each) if meaning is None else meaning
        if meaning is not None:
            found[each.word] = meaning
    return found


def _ask(each: Sighting) -> State | None:
    """One question; None where it is left open, or nobody is there to answer."""
    say("")
    say(f"What does {each.word!r} mean?" + ("" if each.passed else _caution(each)))
    while True:
        say(
            "  q = queued, r = running, Enter = leave it open"
            if each.passed
            else "  q = queued, r = running; an end typed in full: succeeded, failed, cancelled; Enter = leave it open"
        )
        line = sys.stdin.readline()
        answer = line.strip().lower()
        if not answer:
            return None
        meaning = _SHORT.get(answer) or next((state for state in each.meanings if state.value == answer), None)
        if meaning is not None:
            return meaning
        if answer in {state.value for state in State}:
            say(f"  another word followed {each.word!r}, so it is no end")


def _caution(each: Sighting) -> str:
    from aftrun.domain.durations import human_duration
    from aftrun.run.sightings import STILL

    if each.stood >= STILL:
        return " It has stood still for long: perhaps it is an end. AFT!'s own web page shows whether the job is over."
    return (
        f" It was the last one, for {human_duration(float(round(each.stood)))} only, and the job may be going on: "
        "say that it is an end only if AFT!'s own web page shows that the job is over."
    )


def _place(flags: serverflags.TargetFlags, known: KnownJob | None) -> str:
    """The manifest to write to.

    Raises:
        UsageError: there is none to write to.
    """
    if flags.manifest is None and known is None:
        raise UsageError("the job is not on record, so there is no manifest to write to", hint="add --to FILE, or -m")
    path = str(flags.manifest) if flags.manifest is not None else known.job.origin.path  # type: ignore[union-attr]  # the line before
    if not Path(path).is_file():
        raise UsageError(
            f"the job's manifest is no file here: {path}", hint="add --to FILE, and give that file to --job-info-from"
        )
    return path


def _mapping(flags: serverflags.TargetFlags, known: KnownJob | None, to: Path | None, spec: ServerSpec) -> JobInfoMap:
    """How words are read by now: by the file that is to be written to, which may know more than the run."""
    from aftrun.manifest import learned
    from aftrun.service import learn as service

    if to is None:
        manifest = known.job.manifest if known is not None else ""
        return service.on_disk(_place(flags, known), manifest, spec.name) or spec.job_info
    words = of_server(learned.read(str(to)), spec.name) if to.exists() else None
    return spec.job_info if words is None else with_learned(spec.job_info, words)


def _write(flags: serverflags.TargetFlags, known: KnownJob | None, to: Path | None, found: _Read, lists: Lists) -> str:
    """Write the words; returns the path of the file to give to --job-info-from.

    Raises:
        UsageError: the file has no safe place for them; the lines to put there have been said.
    """
    from aftrun.manifest.edit import CannotEdit
    from aftrun.service import learn as service

    try:
        if to is not None:
            service.write_words(to, known.job.server if known is not None else "a server", lists)
        else:
            manifest = known.job.manifest if known is not None else ""
            service.write_manifest(_place(flags, known), manifest, found.spec.name, lists)
    except CannotEdit:
        say("put these lines there yourself, under `server:`")
        say("".join(f"  {line}\n" for line in service.as_yaml(lists).splitlines()).rstrip("\n"))
        raise
    return str(to) if to is not None else _place(flags, known)


def _next_steps(job_id: str, known: KnownJob | None, path: str, state_dir: Path) -> list[str]:
    """What to do now that the words are known."""
    words = ("--job-info-from", path)
    if known is None:
        return [f"follow it to its end: {command('aftrun', 'wait', job_id, *words)}"]
    again = command("aftrun", "resume", known.run, *words) + record_flag(state_dir)
    if known.past.options.sandbox:
        return ["runs that begin from now on read these words"]
    if known.past.row.outcome == RunOutcome.RUNNING:
        return [
            f"run {known.run} is still waiting, and began without them: stop it with Ctrl-C (its jobs go on, on the",
            f"server), and go on with them: {again}",
        ]
    if known.job.outcome in (None, Outcome.UNKNOWN):
        return [f"read the job again, with nothing submitted: {again}"]
    return [f"follow the job to its end: {command('aftrun', 'wait', job_id, *words)}{record_flag(state_dir)}"]


__all__ = ["learn"]
