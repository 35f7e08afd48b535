"""`aftrun explain`: what a code of `aftrun validate`, or a key of a manifest, means, with examples."""

from __future__ import annotations

import re
from typing import Annotated

from aftrun.cli import complete
from aftrun.cli.boundary import emit
from aftrun.cli.flags import argument
from aftrun.domain.errors import UsageError
from aftrun.domain.text import did_you_mean

_CODE = re.compile(r"A?F?T?[0-9]+|AFT.*")


def explain(
    code: Annotated[
        str | None,
        argument(
            help="A code such as AFT021, or a key such as server.jobInfo; all codes without.",
            metavar="WHAT",
            complete=complete.codes,
        ),
    ] = None,
) -> int:
    """Explain a code that `validate` printed, or a key of a manifest: what it means, with examples."""
    from aftrun.manifest.check import pages  # only for this command
    from aftrun.manifest.check.diagnostics import CODES

    if code is None:
        emit("".join(f"{each}  {title}\n" for each, title in CODES.items()))
        return 0
    wanted = code.strip().upper()
    wanted = f"AFT{wanted:0>3}" if wanted.isdecimal() else wanted
    if wanted not in CODES and not _CODE.fullmatch(wanted):
        from aftrun.manifest.check import keypages  # only for keys

        emit(keypages.text(code.strip()))
        return 0
    if wanted not in CODES:
        hint = did_you_mean(wanted, CODES) or "`aftrun explain` lists them all"
        raise UsageError(f"there is no code {code}", hint=hint)
    emit(pages.text(wanted))
    return 0
