"""`aftrun completion`: the script that makes a shell complete aftrun's command line."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout, suppress
from typing import Annotated

from aftrun.cli.boundary import Form, emit
from aftrun.cli.choices import Shell
from aftrun.cli.flags import argument


def completion(
    shell: Annotated[Shell, argument(help="Which shell.", metavar="SHELL", show_default=False)],
) -> int:
    """Print the script that makes a shell complete commands, flags, manifests, jobs and runs.

    `aftrun --install-completion` puts it where the shell at hand looks for it. By hand:

    bash, in ~/.bashrc: source <(aftrun completion bash)

    zsh, in ~/.zshrc after compinit: source <(aftrun completion zsh)

    fish, once: aftrun completion fish > ~/.config/fish/completions/aftrun.fish

    PowerShell, in $PROFILE:

    aftrun completion powershell | Out-String | Invoke-Expression

    What it completes it reads from files: it sends no request and reads no secret.
    """
    from aftrun.cli.main import build  # which imports this module

    os.environ["_AFTRUN_COMPLETE"] = f"source_{shell.value}"  # how typer is asked for its script
    script = io.StringIO()
    with redirect_stdout(script), suppress(SystemExit):  # typer's way out
        build("completion")(args=[], prog_name="aftrun")
    emit(script.getvalue(), Form.SCRIPT)
    return 0
