"""A sandbox for the time of a run, and the scenario file that says how it behaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aftrun.cli.boundary import say
from aftrun.domain.errors import UsageError
from aftrun.system.inputs import read_input
from aftrun.system.shell import quoted

if TYPE_CHECKING:
    from aftrun.sandbox.scenario import Scenario
    from aftrun.sandbox.server import Sandbox


def read_scenario(path: Path | None) -> Scenario:
    """The scenario in a YAML or JSON file; the default one without a file.

    Raises:
        ManifestError: the file is no YAML, or no scenario.
        UsageError: it cannot be read, or a range in it is the wrong way round.
    """
    from aftrun.sandbox.scenario import Scenario, parse  # only the sandbox needs it

    if path is None:
        return Scenario()
    from aftrun.manifest.check.scenario import read  # the parser is for commands that read files
    from aftrun.manifest.parse.syntax import MAX_BYTES  # it comes with the parser

    try:
        data = read_input(path, MAX_BYTES)  # and one byte more, of which the parser says so
    except OSError as error:
        raise UsageError(
            f"cannot read the scenario {path}: {error.strerror or error}", hint="docs/sandbox.md shows one"
        ) from error
    return parse(read(str(path), data))


def check_scenario(wanted: bool, scenario: Path | None) -> None:
    """Refuse a scenario without a sandbox: who asks for a rehearsal must not start real jobs.

    Raises:
        UsageError: there is one.
    """
    if scenario is not None and not wanted:
        raise UsageError(
            "--scenario says how a sandbox behaves, and nothing asks for a sandbox; nothing was sent",
            hint=f"to rehearse, add --sandbox: --sandbox --scenario {quoted(str(scenario))}",
        )


@contextlib.contextmanager
def sandbox_for(wanted: bool, scenario: Path | None = None) -> Iterator[Sandbox | None]:
    """A sandbox for the time of the run, where one is wanted; `scenario` is the file that says how it behaves.

    Raises:
        ManifestError, UsageError: as `read_scenario`.
    """
    if not wanted:
        yield None
        return
    from aftrun.sandbox.server import Sandbox  # an extra

    with Sandbox(read_scenario(scenario)) as server:
        say(
            f"sandbox: running against {server.url}, which is our assumption of AFT!, not AFT! itself; "
            "no real job is started"
        )
        yield server
