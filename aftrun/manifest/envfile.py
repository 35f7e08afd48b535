"""`--env-file`: values for `${VAR}` from a file of `NAME=value` lines. The environment wins over it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from aftrun.domain.environment import Environment
from aftrun.domain.errors import UsageError
from aftrun.system.inputs import decoded, read_input

_LARGEST = 4 * 1024 * 1024


def read_env_file(path: str | Path) -> dict[str, str]:
    """The values of a file: `NAME=value` lines, with quotes, comments and `export` as in a shell.

    Nothing inside a value is expanded: what stands there is what the variable holds.

    Raises:
        UsageError: it cannot be read, or a line of it is no `NAME=value`. The line's text is never shown.
    """
    text = _text(Path(path))
    try:
        # Its own reader, not `dotenv_values`: that one goes on after a line that it cannot read.
        from dotenv.parser import parse_stream  # noqa: PLC0415 - only for those who have such a file
    except ImportError:
        raise UsageError(
            "--env-file needs the package 'python-dotenv', which is not installed",
            hint="install it: pip install python-dotenv",
        ) from None
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            # A binding begins with the blank lines before it.
            original = binding.original.string
            line = binding.original.line + original[: len(original) - len(original.lstrip())].count("\n")
            raise UsageError(
                f"{path}:{line}: this line is not of the form NAME=value",
                hint="put values with blanks or special characters in quotes; comments begin with #",
            )
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found


def _text(path: Path) -> str:
    try:
        data = read_input(path, _LARGEST)
    except OSError as error:
        raise UsageError(
            f"--env-file {path} cannot be read: {error.strerror or error}", hint="check the path and its permissions"
        ) from None
    if len(data) > _LARGEST:
        raise UsageError(f"--env-file {path} is larger than {_LARGEST // 1024 // 1024} MiB")
    try:
        return decoded(data)
    except UnicodeDecodeError:
        raise UsageError(f"--env-file {path} is not UTF-8 text", hint="save it again as UTF-8") from None


def with_env_files(environ: Mapping[str, str], paths: Sequence[str | Path]) -> Mapping[str, str]:
    """The environment, and below it the files, of which later ones win over earlier ones.

    Raises:
        UsageError: a file cannot be used.
    """
    if not paths:
        return environ
    return Environment(environ, *(read_env_file(path) for path in reversed(paths)))
