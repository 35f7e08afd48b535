"""The script that somebody writes for many jobs: a `requests.Session`, some threads, one POST and one GET each.

Usage: python pool.py URL CA_FILE JOBS [THREADS [own|durable]]; 16 threads unless said. Connections are kept, but with
`own` each POST has one of its own, as aftrun's have; with `durable` a line is on disk in two files besides, before
each POST and after its answer. The certificate is verified, nothing else is done: no waiting, no retry, no report.
Prints the seconds from the first POST to the last answer.
"""

import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

url, ca_file, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
threads, own = int((sys.argv[4:] or ["16"])[0]), sys.argv[5:] in (["own"], ["durable"])
files = [tempfile.TemporaryFile(dir=".") for _ in range(2 * (sys.argv[5:] == ["durable"]))]  # noqa: SIM115  # to the end


def session() -> requests.Session:
    """One that verifies, with the key."""
    made = requests.Session()
    made.verify = ca_file
    made.headers["X-API-Key"] = "sandbox-key"
    made.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=threads))
    return made


shared, mine = session(), threading.local()


def record(line: str) -> None:
    """Put a line on disk, in both files."""
    for file in files:
        os.write(file.fileno(), line.encode())
        os.fdatasync(file.fileno())


def submit(number: int) -> str:
    """Start a job; its id."""
    posting = shared
    if own:
        posting = mine.session = getattr(mine, "session", None) or session()
    body = {"scriptName": "instant", "params": {"n": str(number)}}
    record(f"about to start {number}\n")
    job = str(posting.post(f"{url}/v1/jobs", json=body, timeout=30).json()["id"])
    record(f"{number} is {job}\n")
    if own:
        posting.close()  # its connections; the session opens another one for the next POST
    return job


def follow(number: int) -> bool:
    """Start a job and read it once; whether it succeeded."""
    job = submit(number)
    return bool(shared.get(f"{url}/v1/adm/jobs/{job}", timeout=30).json()["status"].lower() == "succeeded")


began = time.perf_counter()
with ThreadPoolExecutor(threads) as pool:
    good = sum(pool.map(follow, range(jobs)))
print(time.perf_counter() - began)  # noqa: T201  # its result
if good != jobs:
    sys.exit(f"{jobs - good} jobs did not succeed")
