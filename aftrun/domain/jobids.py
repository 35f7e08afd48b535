"""Ids of jobs: which text can be one, when two are the same, and whether an answer is about a job.

These three questions are asked wherever a server's answer is read, and are answered here alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aftrun.domain.errors import UsageError

if TYPE_CHECKING:
    from aftrun.domain.model import JobInfo

LONGEST = 512
"""Characters of an id, at most."""

_UUID = re.compile(r"\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?", re.IGNORECASE)


def flaw(text: str) -> str:
    """Why a text cannot be the id of a job, for people; empty where it can.

    An id is printed, stored and made a part of a URL's path. What a terminal acts upon, what nobody can see, and what
    would turn the path into another one (`..`, or nothing at all: the address of the list of all jobs) is none.
    Anything else is one segment of the path, its slashes sent as `%2F`.
    """
    if not text:
        return "it is empty"
    if len(text) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if not text.isprintable():
        return "it holds a line break or another character that cannot be seen"
    if any(character.isspace() for character in text):
        return "it holds a blank"
    if not text.strip("./\\"):
        return "in a URL it would be the address of something else"
    return ""


def checked(text: str) -> str:
    """The text, which can be the id of a job.

    Raises:
        UsageError: it cannot.
    """
    why = flaw(text)
    if why:
        shown = ascii(text if len(text) <= 60 else text[:60] + "...")
        raise UsageError(f"{shown} is not the id of a job: {why}", hint="aftrun prints ids when jobs are accepted")
    return text


def of_value(value: Any) -> str | None:
    """The id that a JSON value is: text, or a whole number as text; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**64 else None
    return value if isinstance(value, str) and not flaw(value) else None


def canonical(job_id: str) -> str:
    """An id in the form in which equal ids are equal: UUIDs in lower case, all others as they are.

    `01` is not `1`, and `Job-1` is not `job-1`: a server that has both would be misread.
    """
    return job_id.lower() if _UUID.fullmatch(job_id) else job_id


def field_of(info: JobInfo) -> str:
    """The field that the id of a job info was read from; empty where it stands in none that is known."""
    return next((field for field, text in info.ids if text == info.id), "")


def mismatch(info: JobInfo, job_id: str, field: str = "") -> str:
    """Why a job info, read from the answer about job `job_id`, is not about that job; empty where it is.

    Where the object that the state was read from names ids, one of them must be the job's: that of `field`, where the
    id was read from a certain one at the submission and that is there, in each of its spellings (`id` and `ID`). Where
    it names none, the job is known by the URL that was asked; but a list has to name it, since a list is the answer of
    another URL.
    """
    named = info.ids or ((("", info.id),) if info.id is not None else ())
    certain = [text for each, text in named if each == field]
    names = certain or [text for _, text in named]
    if not names:
        return "the server answered with a list that does not name the job" if info.listed else ""
    ours = [canonical(name) == canonical(job_id) for name in names]
    if all(ours) or (any(ours) and not certain):
        return ""
    shown = ", ".join(name if len(name) <= 60 else name[:60] + "..." for name in names[:3])
    return f"the server answered with the job info of another job ({shown})"
