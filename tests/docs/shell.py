"""One bash for one page: what a block exports or where it goes is there for the next one, as for a reader."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import HANG

_END = "end-of-command-5d1f"


class Shell:
    """Runs commands in one bash process, and servers beside it."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder, self._environ = folder, dict(environ)
        self._servers: list[subprocess.Popen[str]] = []
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.send_signal(signal.SIGINT)
        for server in self._servers:
            server.wait(HANG)
            assert server.stdout is not None
            server.stdout.close()
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.close()
        self._bash.stdout.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._bash.pid, signal.SIGKILL)  # with whatever it left in the background
        self._bash.wait(HANG)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; its exit code and what it printed, on both streams in the order in which it came."""
        assert self._bash.stdin is not None
        script = f"{{\n{command}\n}} </dev/null\n__code=$?; printf '\\n{_END} %d\\n' $__code; (exit $__code)\n"
        self._bash.stdin.write(script.encode())
        self._bash.stdin.flush()
        text = self._read()
        output, _, code = text.rpartition(f"\n{_END} ")
        return int(code.split(maxsplit=1)[0]), output  # behind it bash may tell of a job that was killed meanwhile

    def _read(self) -> str:
        assert self._bash.stdout is not None
        data = b""
        mark = f"\n{_END} ".encode()
        with selectors.DefaultSelector() as selector:
            selector.register(self._bash.stdout, selectors.EVENT_READ)
            while not (mark in data and data.endswith(b"\n") and data.rpartition(mark)[2].strip()):
                if not selector.select(HANG):
                    raise AssertionError(f"still running, and silent:\n{data.decode()}")
                chunk = os.read(self._bash.stdout.fileno(), 65536)
                if not chunk:
                    raise AssertionError(f"the shell ended:\n{data.decode()}")
                data += chunk
        return data.decode()

    def serve(self, command: str) -> str:
        """Start a server; what it printed until it was ready, which is when it says how it stops."""
        server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._servers.append(server)
        assert server.stdout is not None
        lines: list[str] = []
        for line in server.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        assert server.poll() is None, "".join(lines)
        return "".join(lines)
