"""`aftrun completion`: the script that makes a shell complete aftrun's command line."""

from __future__ import annotations

from enum import StrEnum
from importlib import resources
from typing import Annotated

from aftrun.cli.boundary import emit
from aftrun.cli.flags import Argument


class Shell(StrEnum):
    """The shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


FILES = {
    Shell.BASH: "aftrun.bash",
    Shell.ZSH: "_aftrun",
    Shell.FISH: "aftrun.fish",
    Shell.POWERSHELL: "aftrun.ps1",
}


def script(shell: Shell) -> str:
    """The text of a shell's script."""
    return resources.files("aftrun.complete").joinpath("scripts", FILES[shell]).read_text(encoding="utf-8")


def completion(
    shell: Annotated[Shell, Argument(help="Which shell.", metavar="SHELL", show_default=False)],
) -> int:
    """Print the script that makes a shell complete commands, flags, manifests, job names and run ids.

    bash, in ~/.bashrc: source <(aftrun completion bash)

    zsh, in ~/.zshrc after compinit: source <(aftrun completion zsh)

    fish, once: aftrun completion fish > ~/.config/fish/completions/aftrun.fish

    PowerShell, in $PROFILE:

    aftrun completion powershell | Out-String | Invoke-Expression

    What it completes it reads from files: it sends no request and reads no secret.
    """
    emit(script(shell))
    return 0
