"""`aftrun explain`: what a code of `aftrun validate` means, with an example and the remedy."""

from __future__ import annotations

from typing import Annotated

from aftrun.cli import complete
from aftrun.cli.boundary import emit
from aftrun.cli.flags import argument
from aftrun.domain.errors import UsageError


def explain(
    code: Annotated[
        str | None,
        argument(help="A code such as AFT021; all codes without one.", metavar="CODE", complete=complete.codes),
    ] = None,
) -> int:
    """Explain a code that `validate` printed: what it means, an example, how to fix it."""
    from aftrun.domain.text import did_you_mean  # noqa: PLC0415  # the same
    from aftrun.manifest.check import pages  # noqa: PLC0415  # only for this command
    from aftrun.manifest.check.diagnostics import CODES  # noqa: PLC0415  # the same

    if code is None:
        emit("".join(f"{each}  {title}\n" for each, title in CODES.items()))
        return 0
    wanted = code.strip().upper()
    wanted = f"AFT{wanted:0>3}" if wanted.isdecimal() else wanted
    if wanted not in CODES:
        hint = did_you_mean(wanted, CODES) or "`aftrun explain` lists them all"
        raise UsageError(f"there is no code {code}", hint=hint)
    emit(pages.text(wanted))
    return 0
