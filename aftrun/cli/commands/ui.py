"""`aftrun ui`: runs, live and past, as web pages on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from aftrun.cli.boundary import emit, say
from aftrun.cli.flags import flag
from aftrun.domain.errors import UsageError
from aftrun.system.lines import DEFAULT_STATE_DIR
from aftrun.system.signals import ENDING, listen


def ui(
    port: Annotated[int, flag("--port", help="Port to listen on; 0 takes any free one.", min=0, max=65535)] = 0,
    browse: Annotated[bool, flag("--open", help="Open the page in the browser.")] = False,
    state_dir: Annotated[
        list[Path] | None,
        flag("--state-dir", help="Where runs are recorded (repeatable). Default: .aftrun.", metavar="DIR", many=Path),
    ] = None,
    trust_state: Annotated[
        bool,
        flag("--trust-state", help="Accept the state folders as your own, although aftrun did not make them."),
    ] = False,
) -> int:
    """Show runs, live and past, as web pages to this machine alone, until Ctrl-C. Nothing is written.

    Whoever has the address, token and all, can read them; nobody else can.
    """
    try:
        from aftrun.web.server import serve  # an extra
    except ImportError as error:
        raise UsageError("`aftrun ui` needs aiohttp", hint='install it with: pip install "aftrun[ui]"') from error
    from aftrun.run.store.folder import accept
    from aftrun.service.reading import Record

    folders = state_dir or [DEFAULT_STATE_DIR]
    if trust_state:
        for folder in folders:
            accept(folder)
    records = [Record(folder) for folder in folders]
    stop: list[int] = []
    listen(lambda number, _: stop.append(number), ENDING)

    def ready(address: str) -> None:
        emit(f"{address}\n")
        say("Only this machine can read it, and only with this address. Ctrl-C stops it.")
        if browse:
            import webbrowser  # only for this flag

            if not webbrowser.open(address):
                say("warning: no browser could be started; open the address above")

    serve(records, port, ready, lambda: bool(stop), say)
    return 0
