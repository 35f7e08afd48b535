"""`aftrun sandbox`: an AFT!-like server on this machine, until Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

from aftrun.cli.boundary import emit, say
from aftrun.cli.flags import flag
from aftrun.cli.sandboxes import read_scenario
from aftrun.domain.model import DEFAULT_KEY_VARIABLE
from aftrun.domain.urls import is_loopback
from aftrun.system.shell import setting
from aftrun.system.signals import ENDING, listen


def sandbox(
    scenario: Annotated[
        Path | None, flag("--scenario", help="What it does: durations, outcomes, faults.", metavar="FILE")
    ] = None,
    host: Annotated[str, flag("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, flag("--port", help="Port to listen on; 0 takes any free one.", min=0, max=65535)] = 44399,
    api_key: Annotated[str, flag("--api-key", "-a", help="The key that it knows.")] = "sandbox-key",
    ledger: Annotated[
        Path | None,
        flag("--ledger", help="Append every request to this file, as JSON lines.", metavar="FILE"),
    ] = None,
    speed: Annotated[float, flag("--speed", help="How much faster than the scenario time passes.")] = 1.0,
    no_tls: Annotated[bool, flag("--no-tls", help="Speak plain HTTP.")] = False,
) -> int:
    """Run an AFT!-like server on this machine, to try manifests against.

    It is our assumption of AFT!, not AFT!'s contract, and starts no real job. It stops at Ctrl-C.
    """
    from aftrun.sandbox.server import Sandbox  # an extra

    stop = threading.Event()
    listen(lambda *_: stop.set(), ENDING)
    server = Sandbox(
        read_scenario(scenario), host=host, port=port, api_key=api_key, ledger_path=ledger, tls=not no_tls, speed=speed
    )
    with server:
        emit(f"url: {server.url}\napiKey: {server.api_key}\n")
        if not no_tls:
            emit(f"fingerprint: {server.fingerprint}\n")
        pin = "" if no_tls else f" --fingerprint {server.fingerprint}"
        if not is_loopback(server.address):
            say(f"warning: {host} can be reached from other machines, and the key is no secret")
        say("")
        say("This is our assumption of AFT!, not AFT! itself. Try it from another terminal:")
        say(f"  {setting(DEFAULT_KEY_VARIABLE, server.api_key)}")
        say(f"  aftrun apply --server {server.url}{pin} aft.yaml")
        say("Ctrl-C stops it.")
        # A wait without a time limit would not be interrupted by a signal on every system.
        while not stop.wait(0.5):
            pass
        say(f"stopped; {len(server.jobs())} jobs were created")
    return 0
