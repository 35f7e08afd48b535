"""Frozen dataclasses that cost little to make: compiling their methods was a quarter of starting a run.

`dataclasses` writes six methods as text for each frozen class with slots, and compiles them: 0.4 ms a class, and a run
loads 190 classes, of which it makes objects of a third. Here `dataclasses` still finds the fields, so that `fields`,
`replace`, `asdict` and `match` work; but what is alike in all classes is written once, and `__init__`, which must be
fast, is compiled when it is first looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, FrozenInstanceError, fields
from dataclasses import dataclass as _dataclass
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

Made = TypeVar("Made")
_Put = Callable[[Any, Any], None]


class _Made:
    """The default of a field whose real one is made anew for each object, as signatures show it."""

    def __repr__(self) -> str:
        return "<factory>"


class _Init:
    """An `__init__` that is compiled when it is first looked for: by making an object, or by asking for a signature."""

    def __init__(self, owner: type) -> None:
        self.owner = owner

    def __get__(self, made: object, _: type) -> Callable[..., None]:
        compiled = _init(self.owner)
        type.__setattr__(self.owner, "__init__", compiled)
        return compiled if made is None else MethodType(compiled, made)


def _puts(kind: Any) -> dict[str, _Put]:
    """What sets each field of an object that is being made: its slot, without looking for it by name."""
    return {each.name: getattr(kind, each.name).__set__ for each in fields(kind)}


def _init(owner: type) -> Callable[..., None]:
    """The `__init__` that `dataclasses` would write: of nothing but names in Python."""
    known: dict[str, Any] = {"_made": _Made()} | {f"_put_{name}": put for name, put in _puts(owner).items()}
    places: dict[bool, list[str]] = {False: [], True: []}
    lines = ["pass"]
    for each in fields(owner):
        name, default, value = each.name, "", each.name
        if each.default is not MISSING:
            default = f"=_default_{name}"
            known[f"_default_{name}"] = each.default
        elif each.default_factory is not MISSING:
            default = "=_made"
            known[f"_make_{name}"] = each.default_factory
            value = f"_make_{name}() if {name} is _made else {name}"
        places[bool(each.kw_only)].append(f"{name}{default}")
        lines.append(f"_put_{name}(self, {value})")
    taken = ", ".join(["self", *places[False], *(["*", *places[True]] if places[True] else [])])
    exec(f"def __init__({taken}) -> None:\n " + "\n ".join(lines), known)  # noqa: S102  # as `dataclasses` does
    made: Callable[..., None] = known["__init__"]
    made.__module__, made.__qualname__ = owner.__module__, f"{owner.__qualname__}.__init__"
    made.__annotations__ = {each.name: each.type for each in fields(owner)} | {"return": None}
    return made


@cache
def _compared(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    names = [each.name for each in fields(kind) if each.compare]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda of: tuple(getattr(of, name) for name in names)  # `attrgetter` makes no tuple of one


def _compared_values(of: object) -> tuple[Any, ...]:
    kind: Any = type(of)  # mypy takes no class for hashable
    return _compared(kind)(of)


def _equal(self: object, other: object) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self is other or _compared_values(self) == _compared_values(other)


def _hash(self: object) -> int:
    return hash(_compared_values(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse_set(_: object, name: str, value: object) -> None:  # its place in the language
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(_: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: Iterable[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


_ALIKE = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
}


def _frozen(
    *, frozen: Literal[True], slots: Literal[True], kw_only: bool = False
) -> Callable[[type[Made]], type[Made]]:
    """As `dataclasses.dataclass(frozen=True, slots=True)`; other kinds come from there."""
    if (frozen, slots) != (True, True):
        raise TypeError("this makes frozen dataclasses with slots; for others, take `dataclasses.dataclass`")

    def decorate(cls: type[Made]) -> type[Made]:
        below = any(hasattr(base, "__dataclass_params__") for base in cls.__mro__[1:])  # all alike, or it refuses
        made = _dataclass(init=False, repr=False, eq=False, frozen=below, slots=True, kw_only=kw_only)(cls)
        said: Any = made.__dict__["__dataclass_params__"]  # what `dataclasses` asks of the bases of others' classes
        said.init = said.repr = said.eq = said.frozen = True
        for name, method in _ALIKE.items():
            own = made.__dict__.get(name)  # `__hash__` is None where a class has an `__eq__` of its own
            if own is None or name in {"__setattr__", "__delattr__"}:
                type.__setattr__(made, name, method)
        type.__setattr__(made, "__init__", _Init(made))
        return made

    return decorate


@cache
def _copier(kind: Any) -> tuple[Callable[[Any, Any], None], dict[str, _Put]]:
    """What copies all fields of an object to one that is being made, compiled, and what sets each of them."""
    put = _puts(kind)
    known: dict[str, Any] = {f"_put_{name}": each for name, each in put.items()}
    lines = [f"_put_{name}(made, of.{name})" for name in put] or ["pass"]
    exec("def copy(made, of):\n " + "\n ".join(lines), known)  # noqa: S102  # of nothing but names in Python
    return known["copy"], put


def _replace(made: Made, /, **changes: Any) -> Made:
    """As `dataclasses.replace`, but from slot to slot: reading a run's record does this some ten times a job."""
    kind: Any = type(made)
    copy, put = _copier(kind)
    if not changes.keys() <= put.keys():
        return type(made)(**changes)  # which says what is no field
    changed: Made = object.__new__(kind)
    copy(changed, made)
    for name, value in changes.items():
        put[name](changed, value)
    return changed


if TYPE_CHECKING:  # what type checkers know is what these behave like
    from dataclasses import dataclass as dataclass  # noqa: PLC0414
    from dataclasses import replace as replace  # noqa: PLC0414
else:
    dataclass, replace = _frozen, _replace
