"""Names of jobs and manifests → ids that Airflow takes: letters, digits, `-`, `_` and, for tasks, dots."""

from __future__ import annotations

import hashlib
import re

_NOT_TASK = re.compile(r"[^\w.-]+")
_NOT_GROUP = re.compile(r"[^\w-]+")


def slug(name: str, *, dots: bool = True, longest: int = 200) -> str:
    """The id nearest to a name: `load[eu,2026]` becomes `load__eu_2026`."""
    text = name.removesuffix("]").replace("[", "__") if name.endswith("]") else name
    text = (_NOT_TASK if dots else _NOT_GROUP).sub("_", text).strip("_.") or "job"
    if len(text) > longest:
        text = f"{text[: longest - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return text


class Ids:
    """Gives each name an id of its own."""

    def __init__(self, *, dots: bool = True, longest: int = 200) -> None:
        self._dots, self._longest = dots, longest
        self._taken: set[str] = set()

    def reserve(self, name: str) -> str:
        """The name itself where it is an id already, and still free; else nothing."""
        if name != slug(name, dots=self._dots, longest=self._longest) or name in self._taken:
            return ""
        self._taken.add(name)
        return name

    def take(self, name: str) -> str:
        """The id nearest to a name that is still free."""
        base = slug(name, dots=self._dots, longest=self._longest)
        found, number = base, 2
        while found in self._taken:
            found, number = f"{base}_{number}", number + 1
        self._taken.add(found)
        return found
