"""Which fault strikes which request. No network here."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from aftrun.sandbox.rules import Answer
from aftrun.sandbox.shapes import TRAITS, Fault, Kind, On, Per


class FaultPicker:
    """Counts the requests that each rule has seen, and says which rule strikes the next one.

    Rules are tried in order. A rule does not see the requests that a rule before it struck, so
    `[reset ×2, 503 ×1]` means: two resets, then one 503, then nothing more.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._seen: Counter[tuple[int, str]] = Counter()

    def pick(self, faults: Sequence[Fault], on: On, job: str) -> Fault | None:
        """The fault that strikes a request; `job` tells jobs apart (an id, or the body of a submission)."""
        for fault in faults:
            if fault.on is not on:
                continue
            # Rules are told apart by identity: behaviours share the rules that they have from the defaults.
            key = (id(fault), job if fault.counts is Per.JOB else "")
            seen = self._seen[key]
            self._seen[key] += 1
            if seen < fault.after or (fault.times is not None and seen >= fault.after + fault.times):
                continue
            if fault.chance < 1.0 and self._luck(fault, job, seen) >= fault.chance:
                continue
            return fault
        return None

    def _luck(self, fault: Fault, job: str, seen: int) -> float:
        text = f"{self._seed}|{fault.kind}|{fault.on}|{job if fault.counts is Per.JOB else ''}|{seen}"
        return random.Random(text).random()  # noqa: S311 - a lot, not a key


def answered(fault: Fault | None, answer: Answer) -> int | None:
    """The status that the client gets to see; None: none."""
    if fault is None:
        return answer.status
    trait = TRAITS[fault.kind]
    if trait.silent:
        return None
    if trait.code is not None or fault.kind is Kind.HTML:
        return fault.code or trait.code or answer.status
    return answer.status
