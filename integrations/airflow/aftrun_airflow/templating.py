"""`${…}` and Jinja in one text, without either seeing the other's output.

A reference is what the DAG's author wrote, and only that. Were references looked for after Jinja, then a value from
another task's XCom, which may come from anywhere, could hold `${AFT_API_KEY}` and have the key sent to a script.
So references are taken out before Jinja runs, and what Jinja makes is plain text ever after.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from aftrun.domain.values import Inside, Template
from aftrun.manifest.build import expand


class BadReference(ValueError):
    """A `${…}` in a field of the task is malformed. The argument is for people."""


class References:
    """Takes the references out of one task's fields, and puts them back once Jinja is done."""

    def __init__(self) -> None:
        self._token = f"aftrun{secrets.token_hex(8)}"
        self._mark = re.compile(rf"{self._token}x([0-9]+)x")
        self._found: list[str] = []

    @property
    def found(self) -> tuple[str, ...]:
        """The references, as they were written, each once."""
        return tuple(dict.fromkeys(self._found))

    def take_out(self, value: Any) -> Any:
        """The value with a mark in place of each reference, and `$` in place of `$$`, all the way down.

        Raises:
            BadReference: a reference is malformed, or is a `${{ … }}`, which only manifests have.
        """
        if isinstance(value, str):
            return self._marked(value)
        if isinstance(value, dict):
            return {key: self.take_out(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.take_out(item) for item in value)
        return value

    def _marked(self, text: str) -> str:
        def refuse(_: int, message: str, hint: str) -> None:
            raise BadReference(f"{message}\n{hint}")

        value = expand.parse(text, refuse)
        if not isinstance(value, Template):
            return value
        parts: list[str] = []
        for part in value.parts:
            if isinstance(part, Inside):
                raise BadReference(
                    f"{part.text} is for manifests; in a DAG file, Jinja does this: {{{{ … }}}}\n"
                    "a literal $ before {{ is written $$"
                )
            if isinstance(part, str):
                parts.append(part)
            else:
                parts.append(f"{self._token}x{len(self._found)}x")
                self._found.append(part.text)
        return "".join(parts)

    def shown(self, value: Any) -> Any:
        """What people may see of a rendered value: references as they were written.

        Raises:
            BadReference: Jinja has changed a mark.
        """
        return self._put_back(value, escape=False)

    def for_manifest(self, value: Any) -> Any:
        """The rendered value as a manifest would write it: references, and all else plain text (`$` is `$$`).

        Raises:
            BadReference: Jinja has changed a mark.
        """
        return self._put_back(value, escape=True)

    def _put_back(self, value: Any, *, escape: bool) -> Any:
        if isinstance(value, str):
            parts = self._mark.split(value)
            for at in range(0, len(parts), 2):
                if self._token.lower() in parts[at].lower():
                    raise BadReference(
                        "a Jinja filter has changed a ${…}, which has no value yet when Jinja runs\n"
                        "put the reference outside of the {{ … }}"
                    )
                parts[at] = parts[at].replace("$", "$$") if escape else parts[at]
            for at in range(1, len(parts), 2):
                parts[at] = self._found[int(parts[at])]
            return "".join(parts)
        if isinstance(value, dict):
            return {key: self._put_back(item, escape=escape) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._put_back(item, escape=escape) for item in value]
        return value
