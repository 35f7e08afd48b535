"""What the server accepts and what it refuses, and in which words. Pure functions.

Where AFT!'s answer is not documented, we took the plainest one; errors have the shape of the vendor's sister product.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Json
from aftrun.sandbox.jobs import Submission

SELECTORS = ("scriptName", "scriptId", "filePath")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with a JSON body."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: int, kind: str, message: str, reason: str = "", data: Json = None) -> Answer:
    """An error answer in the sister product's shape."""
    detail: dict[str, Json] = {
        "errorType": kind,
        "data": data,
        "reason": reason or message,
        "causedBy": None,
        "humanReadable": message,
    }
    return Answer(status, {"message": message, "errors": [detail]})


def read_submission(content_type: str, body: bytes, scripts: Sequence[str] | None) -> Submission | Answer:
    """The submission in a POST's body, or the answer that refuses it.

    `scripts` are the names, ids and paths of the scripts that exist, names without case; None: any exists.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return refusal(415, "UNSUPPORTED_MEDIA_TYPE", "the Content-Type must be application/json", data=content_type)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        return refusal(400, "INVALID_JSON", "the body is not valid JSON", str(error))
    if not isinstance(data, dict):
        return refusal(400, "INVALID_BODY", "the body must be a JSON object")
    for key in data:
        if key not in (*SELECTORS, "params"):
            return refusal(400, "UNKNOWN_FIELD", f'unknown field "{key}"', data=key)
    named = [key for key in SELECTORS if key in data]
    if len(named) != 1:
        found = " and ".join(named) or "none"
        return refusal(400, "INVALID_SELECTOR", f"exactly one of {', '.join(SELECTORS)} is needed, found {found}")
    selector = named[0]
    value = data[selector]
    if not isinstance(value, str) or not value.strip():
        return refusal(400, "INVALID_SELECTOR", f"{selector} must be a text that is not empty", data=value)
    params = data.get("params", {})
    if not isinstance(params, dict):
        return refusal(400, "INVALID_PARAMS", "params must be an object of names and values", data=params)
    for name, param in params.items():
        if param is None or isinstance(param, dict | list):
            return refusal(400, "INVALID_PARAMS", f'the value of the param "{name}" is not a plain value', data=name)
    submission = Submission(selector, value, params, data)
    if scripts is not None and not _known(submission, scripts):
        return refusal(404, "SCRIPT_NOT_FOUND", f'there is no script with the {selector} "{value}"', data=value)
    return submission


def _known(submission: Submission, scripts: Sequence[str]) -> bool:
    if submission.selector == "scriptName":
        return submission.value.casefold() in {script.casefold() for script in scripts}
    return submission.value in scripts
