"""What a body says for people."""

from __future__ import annotations

from typing import Any

from aftrun.client.jobinfo import keys
from aftrun.client.jobinfo.fields import View
from aftrun.domain.model import Json
from aftrun.domain.words import normal


def error_message(body: Json) -> str:
    """What an error body says for people; empty where it says nothing.

    Reads `{"message": …, "errors": [{"humanReadable": …}]}` and the other usual shapes: `error`, `title`, `detail`,
    lists of messages by field, a plain string, a list of any of these.
    """
    return _error_message(body, 4)


def _error_message(body: Any, depth: int) -> str:
    if isinstance(body, str):
        return body.strip()
    if depth == 0:
        return ""
    if isinstance(body, list):
        return "; ".join(dict.fromkeys(filter(None, (_error_message(each, depth - 1) for each in body[:20]))))
    if not isinstance(body, dict):
        return ""
    view = View(body)
    head = next(filter(None, (_error_message(value, depth - 1) for value in view.all(keys.TITLES))), "")
    tail = next(filter(None, (_error_message(value, depth - 1) for value in view.all(keys.DETAILS))), "")
    if not tail or tail in head:
        errors = (_errors(value, depth - 1) for value in view.all(keys.CAUSES))
        tail = next(filter(None, errors), "")
    if not head or head in tail:
        return tail
    return head if not tail or tail in head else f"{head.rstrip('.:')}: {tail}"


def _errors(value: Any, depth: int) -> str:
    """`errors`: a list of messages or objects, or lists of messages by field, as ASP.NET sends them."""
    if isinstance(value, dict) and not any(View(value).all((*keys.TITLES, *keys.DETAILS))):
        lines = ((key, _error_message(each, depth)) for key, each in list(value.items())[:20])
        return "; ".join(f"{key}: {line}" for key, line in lines if line)
    return _error_message(value, depth)


def words(value: Any) -> str:
    """A message as text: strings, and what an error object or a list of them says."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return error_message(value)
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, map(words, value[:20]))))
    return ""


def is_error(value: Any) -> bool:
    """Whether the value of an error field says that there was an error."""
    if isinstance(value, str):
        return normal(value) not in (
            "",
            "none",
            "null",
            "nil",
            "no",
            "false",
            "0",
            "noerror",
            "n/a",
            "success",
            "ok",
        )
    if isinstance(value, dict):
        return any(is_error(each) for each in value.values())
    return bool(value)
