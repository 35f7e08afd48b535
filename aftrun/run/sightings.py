"""Words for a job's state that aftrun does not know: what is said of them, and what their order tells. Pure.

A word that another one followed was no end: no advice may list it among the ends. One that stands still for long is
*perhaps* an end, and whether a good or a bad one is for a person to say.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from aftrun.domain.durations import human_duration
from aftrun.domain.frozen import dataclass
from aftrun.domain.instants import at_zone
from aftrun.domain.model import SeenWord, State
from aftrun.domain.past import median
from aftrun.domain.words import NOT_BORNE_OUT, in_yaml, normal
from aftrun.system.shell import quoted

STILL = 300.0
"""Seconds after which an unlisted word that stands still is perhaps an end, where no earlier run tells better."""
TIMES_USUAL = 10
"""The same in usual times of the job, where earlier runs tell."""

_SHOWN = 8
"""Words of the order that are said; the first and the last ones tell most."""


@dataclass(frozen=True, slots=True)
class Commands:
    """What a person types about one job of a run: commands with `{id}` in them; empty where one would not work."""

    raw: str = "aftrun status {id} --raw"
    learn: str = "aftrun learn {id}"
    record: str = ""
    """What they all take to find the record: see `lines.record_flag`."""

    def about(self, job_id: str) -> str:
        """How to see the job info, and how to say what words mean."""
        raw, learn = (each.replace("{id}", quoted(job_id)) for each in (self.raw, self.learn))
        said = [f"see the job info: {raw}"] if raw else []
        said.append(f"say what the words mean: {learn}" if learn else "say what they mean under server.jobInfo.states")
        return "\n".join(said)


def patience(past: Sequence[float]) -> float:
    """Seconds for which an unlisted word may stand still before it is perhaps an end; `past` as in `polling`."""
    return TIMES_USUAL * median(past) if past else STILL


def followed(words: Sequence[SeenWord]) -> frozenset[str]:
    """The words, as `normal` makes them, that another word followed: none of these is an end."""
    plain = [normal(each.word) for each in words]
    return frozenset(word for word, following in itertools.pairwise(plain) if word != following)


def order(words: Sequence[SeenWord]) -> str:
    """The words in the order in which they were seen, each with its time: ``'Steeping' 02:10:03, 'Decanted' …``."""
    said = [f"{each.word!r} {at_zone(each.at, None):%H:%M:%S}" for each in words]
    if len(said) > _SHOWN:
        said = [*said[: _SHOWN // 2], f"({len(said) - _SHOWN} more)", *said[-_SHOWN // 2 :]]
    return "seen so far: " + ", ".join(said)


def _no_ends(words: Sequence[SeenWord], passed: Collection[str]) -> str:
    """Which of the words are known to be no ends, as a line; empty: none that aftrun does not know."""
    found = [each.word for each in words if each.phase in ("", State.UNLISTED) and normal(each.word) in passed]
    if not found:
        return ""
    names = ", ".join(map(repr, dict.fromkeys(found)))
    return f"another word followed {names}, so that is no end: it belongs under queued or running"


def new_word(job: str, words: Sequence[SeenWord], passed: Collection[str], about: str, *, doubted: bool = False) -> str:
    """What is said of the last of these words, which aftrun does not know and has not seen before.

    `passed` are the words that others followed, `about` is what to type (`Commands.about`).
    """
    what = NOT_BORNE_OUT if doubted else "which aftrun does not know"
    first = f"{job}: the server says state {words[-1].word!r}, {what}; it goes on waiting"
    return "\n".join(filter(None, (first, order(words), _no_ends(words, passed), about)))


def perhaps_an_end(job: str, words: Sequence[SeenWord], passed: Collection[str], still: float, about: str) -> str:
    """What is said of the last of these words when it has stood still for so many seconds and none has followed it."""
    word = words[-1].word
    listed = in_yaml(word)
    first = f"{job}: state {word!r} has stood still for {human_duration(float(round(still)))}: perhaps an end"
    line = (
        f"if the job has ended well, the line under server.jobInfo.states is succeeded: [{listed}], if badly "
        f"failed: [{listed}]; only a person can tell which, and aftrun goes on waiting"
    )
    return "\n".join(filter(None, (first, order(words), _no_ends(words, passed), line, about)))
