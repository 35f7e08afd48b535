"""The script that somebody writes with the usual packages: start one job, read it once. No retry, no record, no report.

Usage: python one_job.py URL CA_FILE. The packages that it does not use are those that a program of aftrun's kind needs.
`python one_job.py --typer URL CA_FILE` has its arguments parsed by typer, as everybody who stands on typer has to.
"""

import sys
from typing import Annotated

import jsonschema  # noqa: F401  # what importing takes is what is compared
import requests
import typer
import yaml  # noqa: F401  # the same


def start(url: Annotated[str, typer.Argument()], ca_file: Annotated[str, typer.Argument()]) -> None:
    """Start one job, and read it once."""
    headers = {"X-API-Key": "sandbox-key"}
    with requests.Session() as session:
        session.verify = ca_file
        created = session.post(f"{url}/v1/jobs", json={"scriptName": "instant"}, headers=headers, timeout=30)
        created.raise_for_status()
        job = created.json()["id"]
        print(session.get(f"{url}/v1/adm/jobs/{job}", headers=headers, timeout=30).json()["status"])  # noqa: T201  # its result


if sys.argv[1] == "--typer":
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(start)
    app(sys.argv[2:])
else:
    start(*sys.argv[1:])
