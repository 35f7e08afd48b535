"""Values of a manifest → texts for `AftJobOperator`: `${…}` as written, `${{ … }}` as Jinja, all else as it is.

The operator takes `${…}` out before Jinja runs and reads `$$` as `$`; what Jinja makes is plain text. So literal text
has to be hidden from both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aftrun.domain.values import Inside, Outside, Template, Value

RUN_ID = "{{ run_id }}"
_TIME = "{{ dag_run.run_after.astimezone(dag.timezone).strftime(%s) }}"
_FORMATS = {"date": "%Y-%m-%d", "started": "%Y-%m-%dT%H:%M:%S%z"}

_DOLLAR = re.compile(r"\$(?=[${\r]|\n?\Z)")
"""Followed by what may begin a reference, or by what becomes Jinja below, which begins with a brace."""
_BRACE = re.compile(r"\{(?=[{%#\r]|\n?\Z)|\r")
_ODD = re.compile(r"[^ -~\u00a1-\ud7ff]|['\\$]")
"""Not to stand in Jinja's quotes as it is; `$` because the operator searches for references first."""


def jinja_string(text: str) -> str:
    """Text as a literal of Jinja, in single quotes."""
    return "'" + _ODD.sub(_escape, text) + "'"


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char in "'\\":
        return "\\" + char
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or (
        f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        if ord(char) < 65_536
        else f"\\U{ord(char):08x}"
    )


def plain(text: str) -> str:
    """Literal text as a manifest would write it: `$$` where a `$` could be taken for the beginning of something."""
    return _DOLLAR.sub("$$", text)


def literal(text: str) -> str:
    """Literal text as it comes out of the operator again: neither a reference nor Jinja."""
    # What stands in quotes is a literal for Jinja, which would also rewrite line ends.
    return _BRACE.sub(lambda match: "{{ " + jinja_string(match.group()) + " }}", plain(text))


@dataclass(frozen=True, slots=True)
class TemplateWriter:
    """Turns the values of one manifest's jobs into texts.

    `task_of` gives the full id of the task that stands for a job of the same manifest. `base_dir` is the folder that
    the operator takes relative paths of `${file:…}` to be relative to.
    """

    variables: Mapping[str, Value]
    task_of: Callable[[str], str]
    base_dir: str

    def template(self, value: Value, matrix: Mapping[str, str]) -> str:
        """A value for a templated field of the operator.

        Args:
            value: of a param, or a script's name or path.
            matrix: axes and values of the job's copy.
        """
        pieces = self._pieces(value, matrix)
        if len(pieces) == 1 and isinstance(pieces[0], str):
            text = literal(pieces[0])
        else:
            text = "".join(literal(piece) if isinstance(piece, str) else self._piece(piece) for piece in pieces)
        # Jinja drops one line end at the end of a template.
        return text[:-1] + "{{ '\\n' }}" if text.endswith("\n") else text

    def manifest(self, value: Value) -> str:
        """A value as a manifest would write it, for fields that are not templates: the server."""
        if isinstance(value, str):
            return plain(value)
        return "".join(
            plain(part) if isinstance(part, str) else self.reference(part) if isinstance(part, Outside) else part.text
            for part in value.parts
        )

    def reference(self, part: Outside) -> str:
        """A reference as it was written; the path of a file that an include names, relative to `base_dir`."""
        if part.source != "file":
            return part.text
        path = relative(part.name, self.base_dir)
        head, _, rest = part.text.partition(":")
        written = rest.removesuffix("}")
        for operator in (":-", ":?"):
            written = written.partition(operator)[0]
        if os.path.isabs(written) or written == path:  # noqa: PTH117  # text in, text out
            return part.text
        return f"{head}:{path}{rest[len(written) :]}"

    def _pieces(self, value: Value, matrix: Mapping[str, str]) -> list[str | Outside | Inside]:
        """The parts, variables and axes filled in, neighbouring literals joined."""
        found: list[str | Outside | Inside] = []
        for part in value.parts if isinstance(value, Template) else (value,):
            known: Value | None = None
            if isinstance(part, Inside) and part.path[0] == "vars":
                known = self.variables[part.path[1]]
            elif isinstance(part, Inside) and part.path[0] == "matrix":
                known = matrix[part.path[1]]
            parts = (part,) if known is None else known.parts if isinstance(known, Template) else (known,)
            for each in parts:
                if isinstance(each, str) and found and isinstance(found[-1], str):
                    found[-1] += each
                else:
                    found.append(each)
        return found

    def _piece(self, part: Outside | Inside) -> str:
        if isinstance(part, Outside):
            return self.reference(part)
        match part.path:
            case ("run", "id"):
                return RUN_ID
            case ("run", name):
                return _TIME % jinja_string(part.format or _FORMATS[name])
            case ("jobs", name, "id"):
                # The sum makes a job that has no id an error, not the word None.
                return f"{{{{ '' + ti.xcom_pull(task_ids={jinja_string(self.task_of(name))}, key='job_id') }}}}"
            case (_, name, _, output):
                pull = f"ti.xcom_pull(task_ids={jinja_string(self.task_of(name))}, key='outputs')"
                # Neither a sum with None nor JSON of what is undefined can be made: what is not there is an error.
                shown = "{{ found if found is string else '' + found if found is none else found | tojson }}"
                return f"{{% set found = {pull}[{jinja_string(output)}] %}}{shown}"
        raise AssertionError(part.text)


def relative(path: str, base_dir: str) -> str:
    """A path as seen from `base_dir`; absolute paths stay as they are."""
    if os.path.isabs(path) or path.startswith("/"):  # noqa: PTH117  # text in, text out
        return portable(path)
    return portable(os.path.relpath(path, base_dir or "."))


def portable(path: str) -> str:
    """A path as every system reads it: what is written on Windows is read where Airflow runs."""
    return path.replace(os.sep, "/")
