"""A sandbox in a process of its own, so that the server's work is not counted as aftrun's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self


class Server:
    """Runs from construction to the end of the `with` block. `scenario` is YAML; files go to `folder`."""

    def __init__(self, folder: Path, scenario: str, *, ledger: bool = False) -> None:
        number = time.monotonic_ns()
        path = folder / f"scenario-{number}.yaml"
        path.write_text(scenario, encoding="utf-8")
        self._ledger = folder / f"ledger-{number}.ndjson" if ledger else None
        self._read = 0
        command = [sys.executable, "-m", "aftrun", "sandbox", "--port", "0", "--scenario", str(path)]
        command += ["--ledger", str(self._ledger)] if self._ledger else []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603  # our own program
        assert self._process.stdout is not None  # noqa: S101  # for the type checker
        said = dict(self._process.stdout.readline().strip().partition(": ")[::2] for _ in range(3))
        if "fingerprint" not in said:
            self._process.kill()
            raise SystemExit("the sandbox did not start")
        self.url, self.fingerprint = said["url"], said["fingerprint"]
        self.flags = ("--server", self.url, "--fingerprint", self.fingerprint)
        """What brings `aftrun apply` here; the key is `sandbox-key`."""
        self.since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None  # noqa: S101  # for the type checker
        self._process.stdout.close()
        if self._ledger is not None:
            self._ledger.unlink()

    def requests(self, method: str = "") -> Iterator[dict[str, Any]]:
        """The requests, of one method or of all, that it has had since the last call, as its ledger has them."""
        assert self._ledger is not None, "asked for at construction"  # noqa: S101  # a bug of the benchmark
        wanted = f'"method": "{method}'.encode()
        with self._ledger.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    if wanted in line:
                        yield json.loads(line)
