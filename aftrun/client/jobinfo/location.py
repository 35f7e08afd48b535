"""The id that a `Location` header names. Pure."""

from __future__ import annotations

import re
import urllib.parse

from aftrun.domain import jobids


def id_of(location: str, submit_path: str, status_path: str) -> str | None:
    """The id in a `Location` header, where that can be the address of a job.

    That is one of `status_path`, or one below `submit_path`, both quoted as they are in URLs. A header that leads to a
    log-in page or to the list of all jobs names none. What stands before the job's path is not looked at: a server
    behind a gateway does not know under which name and path it is reached.
    """
    submit = f"/{submit_path.partition('?')[0].strip('/')}"
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(submit, location.strip()))
    except ValueError:
        return None
    for address in (f"/{status_path.lstrip('/')}", f"{submit}/{{id}}" if submit != "/" else ""):
        first, found, rest = re.escape(address).partition(re.escape("{id}"))
        pattern = f"{first}(?P<id>[^/?#]+){rest.replace(re.escape('{id}'), '(?P=id)')}/?$"
        named = re.search(pattern, f"{parts.path}?{parts.query}" if "?" in address else parts.path) if found else None
        if named is not None:
            return jobids.of_value(urllib.parse.unquote(named["id"]))
    return None
