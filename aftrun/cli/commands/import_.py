"""`aftrun import`: a manifest from scripts and pasted commands that start jobs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from aftrun.cli.boundary import Form, emit, say
from aftrun.cli.choices import Language
from aftrun.cli.flags import argument, flag
from aftrun.domain.errors import ManifestError, UsageError
from aftrun.system.inputs import decoded, read_input

_LARGEST = 16 * 1024 * 1024


def import_(
    file: Annotated[str, argument(help="The file to read, or - for standard input.", metavar="FILE")] = "-",
    output: Annotated[
        Path | None,
        # Without a mirror in the environment: AFTRUN_OUTPUT is how reports are printed.
        flag(
            "--output",
            "-o",
            help="Write the manifest here, and not to standard output.",
            metavar="PATH",
            mirrored=False,
        ),
    ] = None,
    from_: Annotated[
        Language | None,
        flag("--from", help="What the script is written in. Default: found out from its name and text."),
    ] = None,
    force: Annotated[bool, flag("--force", help="Replace the file that --output names.")] = False,
) -> int:
    """Make a manifest from a script or a pasted command that starts jobs.

    Finds each curl, Invoke-RestMethod and aft start in a bash, PowerShell or batch script, or in Markdown, whatever
    stands around it. Values that are written out or plainly assigned are taken; all else becomes a remark at its line,
    and where a value is missing a ${FILL_…} that says what to set. API keys are replaced by ${AFT_API_KEY}, and -k by
    a hint at `aftrun trust`. Needs the extra `import`.
    """
    from aftrun.importer.emit import manifest
    from aftrun.importer.read import read_text
    from aftrun.manifest.check.masking import looks_secret

    if file == "-" and sys.stdin.isatty():
        say("paste the command, then press Ctrl-D (on Windows: Ctrl-Z, Enter)")
    imported = read_text(file, _read(file), _file, from_ and from_.value)
    if imported.problems:
        for line, text in imported.remarks:
            say(f"{file}:{line}: {text}")
        error = ManifestError(imported.problems)  # without the lines themselves: they may hold the key
        error.message = "nothing was made"
        raise error
    made = manifest(imported, looks_secret)
    _check(made.text)
    if output is None:
        emit(made.text, Form.SCRIPT)
    else:
        from aftrun.system.files import create  # only for this flag

        create(output, made.text, say, force=force)
    for line, text in made.remarks:
        say(f"{file}:{line}: {text}" if line else text)
    count = len(imported.jobs)
    where = "" if output is None else f" in {output}"
    say(f"{count} job{'' if count == 1 else 's'}{where}; read the comments at the top")
    return 0


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read(_LARGEST + 1) if file == "-" else read_input(file, _LARGEST)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    if len(data) > _LARGEST:
        raise UsageError(f"{file} is larger than 16 MiB", hint="paste only the commands that start jobs")
    try:
        return decoded(data).replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text", hint="save it as UTF-8") from None


def _file(path: str) -> bytes:
    """A file that a command names, relative to where we are, as it would be for the command."""
    return read_input(os.path.expanduser(path), _LARGEST)  # noqa: PTH111  # `~` in the middle is no home


def _check(text: str) -> None:
    """Load what was made. It is ours, so a mistake in it is a bug of ours; this keeps it from being found later."""
    from aftrun.manifest import load_all  # the parser is for commands that read manifests

    load_all(["import.yaml"], read=lambda _: text.encode("utf-8", "surrogatepass"))
