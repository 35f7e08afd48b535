"""Runs and jobs that are on record, for completion: read-only, and without waiting for whoever writes."""

from __future__ import annotations

import os

MAX_RUNS = 200
"""Runs that are offered, the newest first."""
MAX_JOBS = 200
_RECENT = 10
"""Runs whose jobs are offered."""
_MOST_EVENTS = 5000
"""Events that are looked through in each of them."""

_RUNS = "SELECT id, started_at, ended_at, outcome, manifests, jobs FROM runs ORDER BY started_at DESC, id DESC LIMIT ?"
_JOBS = (
    'SELECT body FROM events WHERE run = ? AND seq < ? AND body LIKE \'{"type":"accepted"%\' ORDER BY seq DESC LIMIT ?'
)


def _uri(state_dir: str) -> str:
    """The state file for SQLite, to be read only. urllib could say it too, and takes longer than the whole answer."""
    path = os.path.abspath(os.path.join(os.path.expanduser(state_dir), "state.db"))  # noqa: PTH100, PTH111, PTH118 - pathlib is slow to import
    # A record that nobody has open is whole in its one file; said so, SQLite does not put its own files beside it.
    mode = "mode=ro" if os.path.exists(path + "-wal") else "mode=ro&immutable=1"  # noqa: PTH110 - as above
    for char, code in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        path = path.replace(char, code)
    path = path.replace(os.sep, "/")
    return f"file:{path if path.startswith('/') else '/' + path}?{mode}"


def runs(state_dir: str) -> list[tuple[str, str, str, str, str, int]]:
    """The newest runs: id, start and end (RFC 3339, the end empty while it runs), outcome, manifests, number of jobs.

    Nothing where there is no record, or it cannot be read at once.
    """
    import sqlite3  # noqa: PLC0415 - only where ids are needed

    try:
        database = sqlite3.connect(_uri(state_dir), uri=True, timeout=0.1)
        try:
            found = database.execute(_RUNS, (MAX_RUNS,)).fetchall()
        finally:
            database.close()
    except sqlite3.Error:
        return []
    return [(row[0], row[1], row[2] or "", row[3], ", ".join(_strings(row[4])), row[5]) for row in found]


def jobs(state_dir: str) -> list[tuple[str, str]]:
    """The server's ids of jobs that recent runs started, the newest first, each with the job's name."""
    import json  # noqa: PLC0415 - only here
    import sqlite3  # noqa: PLC0415 - only where ids are needed

    result: dict[str, str] = {}
    try:
        database = sqlite3.connect(_uri(state_dir), uri=True, timeout=0.1)
        try:
            for run, *_ in database.execute(_RUNS, (_RECENT,)).fetchall():
                for (body,) in database.execute(_JOBS, (run, _MOST_EVENTS, MAX_JOBS - len(result))):
                    event = json.loads(body)
                    result.setdefault(event["jobId"], event["job"])
                if len(result) >= MAX_JOBS:
                    break
        finally:
            database.close()
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        pass  # what was found before is as good as ever
    return list(result.items())


def _strings(text: str) -> list[str]:
    """The names in a JSON list of names, as the record writes it."""
    import json  # noqa: PLC0415 - only where ids are needed

    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
