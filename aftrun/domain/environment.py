"""The environment as a mapping: variables by name, as this system tells names apart.

Windows knows no case in them: `MyVar` and `MYVAR` are one variable there. `os.environ` knows that, a dict made of it
does not. So nobody makes dicts of it: what is laid over it or under it becomes an `Environment`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

FOLDS = os.name == "nt"
"""Whether names that differ in case alone are one name."""


def name_key(name: str) -> str:
    """What two spellings of one variable have in common."""
    return name.upper() if FOLDS else name


class Environment(Mapping[str, str]):
    """Variables of several layers, of which the first that knows a name wins, in whatever case it is written there."""

    def __init__(self, *layers: Mapping[str, str]) -> None:
        self._layers = layers

    def __getitem__(self, name: str) -> str:
        for layer in self._layers:
            try:
                return layer[name]  # first as it stands: a layer may know names that it does not list
            except KeyError:
                if not FOLDS:
                    continue
            wanted = name_key(name)
            for each in reversed(list(layer)):  # of two spellings in one file, the later one wins
                if name_key(each) == wanted:
                    return layer[each]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name_key(name): name for layer in reversed(self._layers) for name in layer}.values())

    def __len__(self) -> int:
        return sum(1 for _ in self)
