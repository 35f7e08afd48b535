"""The floor: the least program that does the same with the packages that aftrun stands on, used as their pages say.

    python minimal.py validate MANIFEST SCHEMA
    python minimal.py converge MANIFEST SCHEMA    # all jobs are up to date, as the first of these calls has it
    python minimal.py start MANIFEST SCHEMA URL CA_FILE

It knows no line, no template and no secret, asks for no confirmation, and repeats nothing; a failure is a traceback.
"""

import hashlib
import hmac
import json
import os
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import jsonschema
import typer
import yaml

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
Argument = Annotated[str, typer.Argument()]


@app.command()
def validate(manifest: Argument, schema: Argument) -> list[dict[str, Any]]:
    """Hold the manifest against the schema; its jobs."""
    found = yaml.load(Path(manifest).read_bytes(), Loader=yaml.CSafeLoader)
    for error in jsonschema.Draft202012Validator(json.loads(Path(schema).read_bytes())).iter_errors(found):
        sys.exit(error.message)
    jobs: list[dict[str, Any]] = found["jobs"]
    return jobs


@app.command()
def converge(manifest: Argument, schema: Argument) -> None:
    """Look up each job by a keyed digest, and put what was found on disk in two files, and in a report."""
    jobs = validate(manifest, schema)
    record, journal, report = (Path(manifest).with_suffix(suffix) for suffix in (".db", ".ndjson", ".report.json"))
    with sqlite3.connect(record) as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE IF NOT EXISTS done (identity TEXT PRIMARY KEY, body TEXT)")
        db.execute("CREATE TABLE IF NOT EXISTS events (body TEXT)")
        known, lines = [], []
        for job in jobs:
            identity = hmac.digest(b"key", job["name"].encode(), hashlib.sha256).hex()
            found = db.execute("SELECT body FROM done WHERE identity = ?", (identity,)).fetchone()
            body = found[0] if found else json.dumps(job)
            known.append((identity, body))
            lines += [json.dumps({"job": job["name"], "is": word, "of": body}) for word in ("found", "ended")]
        db.executemany("INSERT OR IGNORE INTO done VALUES (?, ?)", known)
        db.executemany("INSERT INTO events VALUES (?)", [(line,) for line in lines])
    for path, text in ((journal, "\n".join(lines)), (report, json.dumps({"jobs": jobs}, indent=2))):
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fdatasync(file.fileno())


@app.command()
def start(manifest: Argument, schema: Argument, url: Argument, ca_file: Argument) -> None:
    """Start each job over a connection of its own, and read it once over a kept one, 16 at a time."""
    import requests  # noqa: PLC0415  # the other commands do without

    jobs, mine = validate(manifest, schema), threading.local()

    def session(name: str) -> requests.Session:
        if not hasattr(mine, name):
            made = requests.Session()
            made.verify, made.headers["X-API-Key"] = ca_file, "sandbox-key"
            setattr(mine, name, made)
        found: requests.Session = getattr(mine, name)
        return found

    def follow(job: dict[str, Any]) -> str:
        posting = session("posting")
        body = {"scriptName": job["scriptName"], "params": job["params"]}
        created = posting.post(f"{url}/v1/jobs", json=body, timeout=30).json()["id"]
        posting.close()  # its connection; the session opens another one for the next POST
        status: str = session("reading").get(f"{url}/v1/adm/jobs/{created}", timeout=30).json()["status"]
        return status.lower()

    with ThreadPoolExecutor(16) as pool:
        if set(pool.map(follow, jobs)) != {"succeeded"}:
            sys.exit("not all jobs succeeded")


app()
