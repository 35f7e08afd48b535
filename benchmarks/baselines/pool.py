"""The script that somebody writes for many jobs: a `requests.Session`, 16 threads, one POST and one GET each.

Usage: python pool.py URL CA_FILE JOBS. Connections are kept, the certificate is verified, nothing else is done: no
waiting, no retry, no record. Prints the seconds from the first POST to the last answer.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests

url, ca_file, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = requests.Session()
session.verify = ca_file
session.headers["X-API-Key"] = "sandbox-key"
session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=16))


def follow(number: int) -> bool:
    """Start a job and read it once; whether it succeeded."""
    body = {"scriptName": "instant", "params": {"n": str(number)}}
    job = session.post(f"{url}/v1/jobs", json=body, timeout=30).json()["id"]
    return bool(session.get(f"{url}/v1/adm/jobs/{job}", timeout=30).json()["status"].lower() == "succeeded")


began = time.perf_counter()
with ThreadPoolExecutor(16) as pool:
    good = sum(pool.map(follow, range(jobs)))
print(time.perf_counter() - began)  # noqa: T201  # its result
if good != jobs:
    sys.exit(f"{jobs - good} jobs did not succeed")
