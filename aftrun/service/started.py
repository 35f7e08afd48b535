"""The manifest that `start` makes of its flags. Nobody has seen it, so what is wrong with it is said of the flags."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from aftrun.domain.errors import ManifestError, Problem
from aftrun.domain.frozen import replace

PATH = "start"
"""What the manifest is called where others have their path."""

_FLAGS = {"scriptName": "--name", "scriptId": "--script-id", "filePath": "--file", "apiKey": "the API key"}
_KEY = re.compile(r'( *)("(?:[^"\\]|\\.)*"): ')
_OF_PARAMS = 8
"""Blanks before a param: the text is ours, a key a line."""


def in_place(error: ManifestError, files: Sequence[tuple[str, bytes]]) -> ManifestError:
    """The same error as people can follow it: with the lines of `files`, or the flags where the manifest is ours."""
    data = dict(files).get(PATH)
    if data is None or not all(each.path == PATH for each in error.problems):
        return ManifestError(error.problems, files=files)
    lines = data.decode().split("\n")
    found = [_of_flag(each, "".join(lines[each.line - 1 : each.line])) for each in error.problems]
    return ManifestError(found, what="command line")


def _of_flag(problem: Problem, line: str) -> Problem:
    found = _KEY.match(line)
    place = PATH
    if found is not None:
        name = json.loads(found.group(2))
        place = f"--param {name}" if len(found.group(1)) == _OF_PARAMS else _FLAGS.get(name, PATH)
    return replace(problem, path=place, line=0, end_line=0)
