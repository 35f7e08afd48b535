"""Needs and references between jobs: they must exist, and must not go in a circle."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from aftrun.domain.frozen import dataclass
from aftrun.domain.model import Job
from aftrun.domain.text import brief, did_you_mean
from aftrun.domain.values import Inside, Template
from aftrun.manifest.build.fields import Fields
from aftrun.manifest.check.diagnostics import Findings
from aftrun.manifest.parse.nodes import Node

MAX_EDGES = 5_000_000
_LONGEST_PATH = 12
_NEAR = 2_000
"""Jobs that are looked through upwards before the search turns round; needs are mostly near."""


class Draft(Node):
    """What the graph knows of a job: its names and needs, and the place of its name, or else of the job.

    Of nodes only places are left, so that they can go; and with the slot that nothing uses it lies apart from them.
    """

    __slots__ = ("_unused", "copies", "explicit", "name", "needs", "places")

    def __init__(
        self, where: Node, name: str, explicit: bool, copies: tuple[str, ...], needs: Sequence[tuple[str, Node]]
    ) -> None:
        super().__init__(where.source, where.line, where.column, where.end_line, where.end_column)
        self.name = name
        self.explicit = explicit
        self.copies = copies
        """The names of the copies of a matrix job; none: it is no such job."""
        self.needs = tuple(text for text, _ in needs)
        self.places = tuple(node.place_only() for _, node in needs)
        """Where each of `needs` stands."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one job needs."""

    names: tuple[str, ...] = ()
    """Full names; a matrix job's name has become those of its copies."""
    drafts: tuple[int, ...] = ()
    """Positions of the jobs, whichever copies are meant."""
    nodes: tuple[Node, ...] = ()
    """Where each of `drafts` is named."""


NO_NEEDS = Needs()


class Graph:
    """The jobs of one manifest by name, and what needs what."""

    def __init__(self, drafts: Sequence[Draft], fields: Fields) -> None:
        self.fields = fields
        self.findings: Findings = fields.findings
        self.groups: dict[str, int] = {}
        """Position of each job by its own name."""
        self.owners: dict[str, int] = {}
        """Position of the job that a name is a copy of."""
        self.copies = {position: draft.copies for position, draft in enumerate(drafts) if draft.copies}
        """The names of its copies, by position of a matrix job."""
        self._index(drafts)
        self.needs = self._resolve(drafts)
        self._find_circle(drafts)
        self._successors: dict[int, list[int]] | None = None
        self._dependants: tuple[str, frozenset[int]] = ("", frozenset())

    def _index(self, drafts: Sequence[Draft]) -> None:
        for position, draft in enumerate(drafts):
            for name in dict.fromkeys((draft.name, *draft.copies)):
                other = self.owners.get(name, self.groups.get(name))
                if other is not None and other != position:
                    self._twice(name, draft, drafts[other])
                    break
            self.groups.setdefault(draft.name, position)
            seen: set[str] = set()
            for name in draft.copies:
                if name in seen and self.owners[name] == position:
                    message = f"two copies of the job are both called {brief(name)!r}"
                    self.findings.error(draft, "AFT050", message, "change the values of its matrix")
                self.owners.setdefault(name, position)
                seen.add(name)

    def _owner(self, name: str) -> int | None:
        """Position of the job that a full name is, or is a copy of."""
        found = self.owners.get(name)
        if found is None:
            found = self.groups.get(name)
            return found if found not in self.copies else None
        return found

    def _twice(self, name: str, draft: Draft, other: Draft) -> None:
        place = f"line {other.line}" if other.source is draft.source else str(other.origin)
        message = f"the job name {brief(name)!r} is used twice: here and on {place}"
        hint = "names must be unique in a manifest"
        if not (draft.explicit and other.explicit):
            hint = "a job without a name is called after its script: give it a `name` of its own"
        if other.source is not draft.source:
            hint = "the jobs of included files are added, never overridden: give one of the two another name"
        self.findings.error(draft, "AFT050", message, hint)

    def _resolve(self, drafts: Sequence[Draft]) -> list[Needs]:
        edges = 0
        result: list[Needs] = []
        for draft in drafts:
            found = self._needs(draft) if draft.needs else NO_NEEDS
            edges += len(found.names) * max(1, len(draft.copies))
            if edges > MAX_EDGES:
                message = f"more than {MAX_EDGES:,} needs between copies of jobs"
                self.findings.error(
                    draft.places[0] if draft.places else draft,
                    "AFT059",
                    message,
                    "put a single job between large matrices",
                )
                found, edges = NO_NEEDS, 0
            result.append(found)
        return result

    def _needs(self, draft: Draft) -> Needs:
        names: dict[str, None] = {}
        positions: dict[int, Node] = {}
        for text, item in zip(draft.needs, draft.places, strict=True):
            if text in self.groups:
                position = self.groups[text]
                names.update(dict.fromkeys(self.copies.get(position, (text,))))
            elif text in self.owners:
                position = self.owners[text]
                names[text] = None
            else:
                hint = did_you_mean(text, self.groups) or self._some_names()
                self.findings.error(item, "AFT051", f"there is no job {brief(text)!r} to need", hint)
                continue
            positions.setdefault(position, item)
        if len(positions) == 1:
            whole = self.copies.get(next(iter(positions)), ())
            if len(whole) == len(names):
                return Needs(whole, tuple(positions), draft.places[:1])  # shared, not copied
        return Needs(tuple(names), tuple(positions), tuple(positions.values()))

    def _some_names(self) -> str:
        return "the jobs are " + ", ".join(map(brief, self.groups)) if len(self.groups) <= 8 else ""

    def _find_circle(self, drafts: Sequence[Draft]) -> None:
        """Report each circle once, at the need that closes it."""
        state = bytearray(len(drafts))  # 0 unseen, 1 on the path, 2 done
        for start in range(len(drafts)):
            if state[start]:
                continue
            path = [start]
            rest = [iter(self.needs[start].drafts)]
            state[start] = 1
            while path:
                following = next(rest[-1], None)
                if following is None:
                    state[path.pop()] = 2
                    rest.pop()
                elif state[following] == 1:
                    self._circle(path[path.index(following) :], drafts)
                elif state[following] == 0:
                    state[following] = 1
                    path.append(following)
                    rest.append(iter(self.needs[following].drafts))

    def _circle(self, path: list[int], drafts: Sequence[Draft]) -> None:
        last = self.needs[path[-1]]
        node = last.nodes[last.drafts.index(path[0])]
        names = [brief(drafts[position].name) for position in (*path, path[0])]
        if len(names) > _LONGEST_PATH:
            half = _LONGEST_PATH // 2
            names = [*names[:half], f"… ({len(names) - _LONGEST_PATH} more) …", *names[-half:]]
        message = f"job {names[0]!r} needs itself" if len(path) == 1 else "needs go in a circle: " + " → ".join(names)
        self.findings.error(node, "AFT052", message, "an arrow means 'needs'; remove one of them")

    # References

    def check(self, position: int, job: Job, first: Sequence[Job]) -> None:
        """Whether all that the copies of a job refer to exists and is known in time.

        `first` holds one built copy of each job, for the outputs that it declares.
        """
        templates = [value for value in job.values() if isinstance(value, Template)]
        if not templates:
            return
        axes = dict(job.matrix)
        for reference in dict.fromkeys(inside for template in templates for inside in template.insides()):
            if reference.path[0] == "jobs":
                self._check_job(reference, position, first)
            else:
                self.fields.check_scope(reference, axes)

    def _check_job(self, reference: Inside, position: int, first: Sequence[Job]) -> None:
        name = reference.path[1]
        shown = brief(name)
        owner = self._owner(name)
        if owner is None and name in self.groups:
            copies = self.copies[self.groups[name]]
            some = ", ".join(f"jobs.{brief(copy)}" for copy in copies[:3]) + (", …" if len(copies) > 3 else "")
            self._error(reference, "AFT044", f"job {shown!r} is a matrix of {len(copies)} copies", f"name one: {some}")
        elif owner is None:
            hint = (
                did_you_mean(name, [*self.groups, *self.owners] if len(self.owners) < _NEAR else self.groups)
                or self._some_names()
            )
            self._error(reference, "AFT042", f"there is no job {shown!r}", hint)
        elif owner == position:
            self._error(
                reference, "AFT043", f"job {shown!r} refers to itself", "its id is known only after it was sent"
            )
        elif not self._needed(name, owner, position):
            quoted = shown if shown.replace("-", "").isalnum() else f'"{shown}"'
            hint = f"add it to the job's needs: needs: [{quoted}]"
            message = f"{reference.text} is not known in time: this job does not need {shown!r}"
            self._error(reference, "AFT043", message, hint)
        elif reference.path[2] == "outputs":
            declared = [output for output, _ in first[owner].outputs]
            if reference.path[3] not in declared:
                hint = did_you_mean(reference.path[3], declared)
                hint = hint or f"declare it there: outputs: {{{brief(reference.path[3])}: <JMESPath>}}"
                self._error(reference, "AFT045", f"job {shown!r} has no output {brief(reference.path[3])!r}", hint)

    def _error(self, reference: Inside, code: str, message: str, hint: str) -> None:
        if reference.origin is not None:
            self.findings.error_at(reference.origin, code, message, hint, width=len(reference.text))

    def _needed(self, name: str, owner: int, position: int) -> bool:
        """Whether the job at `position` comes after the job (or copy) called `name`, by needs of needs."""
        own = self.needs[position]
        if owner in own.drafts:
            return own.names is self.copies.get(owner) or name in own.names
        if self._dependants[0] == name:
            return position in self._dependants[1]
        seen = {position}
        queue = deque(own.drafts)
        while queue and len(seen) < _NEAR:
            current = queue.popleft()
            if current in seen:
                continue
            seen.add(current)
            if owner in self.needs[current].drafts:
                if name in self.needs[current].names:
                    return True
                continue
            queue.extend(self.needs[current].drafts)
        return bool(queue) and position in self._after(name, owner)

    def _after(self, name: str, owner: int) -> frozenset[int]:
        """All jobs that come after a job. The last answer is kept: whole fleets refer to one job."""
        if self._successors is None:
            self._successors = {}
            for position, needs in enumerate(self.needs):
                for need in needs.drafts:
                    self._successors.setdefault(need, []).append(position)
        queue = [each for each in self._successors.get(owner, ()) if name in self.needs[each].names]
        seen = set(queue)
        while queue:
            for following in self._successors.get(queue.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    queue.append(following)
        self._dependants = (name, frozenset(seen))
        return self._dependants[1]
