"""The script that somebody writes with the usual packages: start one job, read it once. No retry, no record, no report.

Usage: python one_job.py URL CA_FILE. The packages that it does not use are those that a program of aftrun's kind needs.
"""

import sys

import jsonschema  # noqa: F401  # what importing takes is what is compared
import requests
import typer  # noqa: F401  # the same
import yaml  # noqa: F401  # the same

url, ca_file = sys.argv[1:]
headers = {"X-API-Key": "sandbox-key"}
with requests.Session() as session:
    session.verify = ca_file
    created = session.post(f"{url}/v1/jobs", json={"scriptName": "instant"}, headers=headers, timeout=30)
    created.raise_for_status()
    job = created.json()["id"]
    print(session.get(f"{url}/v1/adm/jobs/{job}", headers=headers, timeout=30).json()["status"])  # noqa: T201  # its result
