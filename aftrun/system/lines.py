"""Lines of the command line that people are given to paste: they find the record that is meant."""

from __future__ import annotations

from pathlib import Path

from aftrun.system.shell import quoted

DEFAULT_STATE_DIR = Path(".aftrun")


def record_flag(state_dir: Path) -> str:
    """The flag that says where the record is, for a shell; empty where that goes without saying."""
    return "" if state_dir == DEFAULT_STATE_DIR else f" --state-dir {quoted(str(state_dir))}"


def about_run(command: str, run: str, state_dir: Path) -> str:
    """A command about a run, such as `aftrun resume RUN`, with what it takes to find the run."""
    return f"aftrun {command} {run}{record_flag(state_dir)}"
