"""Frozen dataclasses of ours behave like those of `dataclasses`: both make the same classes here, and are compared."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from aftrun.domain.frozen import dataclass as ours
from aftrun.domain.frozen import replace
from tests.sources import modules

Decorator = Callable[..., Callable[[type], type]]


def shapes(decorate: Decorator) -> dict[str, type]:
    """Every shape that a class may have, made by one of the two."""
    frozen = decorate(frozen=True, slots=True)

    @frozen
    class Empty:
        """Nothing."""

    @frozen
    class Defaults:
        """Values, a factory, a secret, one that does not count."""

        a: int
        b: str = "b"
        c: dict[str, int] = dataclasses.field(default_factory=dict)
        d: str = dataclasses.field(default="secret", repr=False)
        e: float = dataclasses.field(default=0.5, compare=False, hash=False)

    @decorate(frozen=True, slots=True, kw_only=True)
    class Base:
        """All by name."""

        about: str = ""
        tags: tuple[str, ...] = ()

    @frozen
    class Child(Base):
        """More, by place."""

        name: str
        self_made: object = None

    @frozen
    class Own:
        """Methods of its own stay."""

        a: int

        def __repr__(self) -> str:
            return f"<{self.a}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and self.a % 10 == other.a % 10

        def __hash__(self) -> int:
            return self.a % 10

        @property
        def doubled(self) -> int:
            return self.a * 2

    @frozen
    class EqualAlone:  # noqa: PLW1641  # that is the case
        """An own `__eq__`, for which Python takes `__hash__` away."""

        a: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, EqualAlone)

    made = (Empty, Defaults, Base, Child, Own, EqualAlone)
    for each in made:  # `pickle` finds classes by their names
        each.__qualname__ = f"{each.__name__}_{'ours' if decorate is ours else 'theirs'}"
        globals()[each.__qualname__] = each
    return {each.__name__: each for each in made}


OURS = shapes(ours)
THEIRS = shapes(dataclasses.dataclass)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Empty", (), {}),
    ("Defaults", (1,), {}),
    ("Defaults", (1, "x", {"k": 1}), {"d": "y", "e": 2.0}),
    ("Base", (), {"tags": ("a",)}),
    ("Child", ("n",), {"about": "x"}),
    ("Child", ("n", 3), {}),
    ("Own", (12,), {}),
    ("EqualAlone", (1,), {}),
]
REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Empty", (1,), {}),
    ("Defaults", (), {}),
    ("Defaults", (1, 2, 3, 4, 5, 6), {}),
    ("Defaults", (1,), {"a": 2}),
    ("Defaults", (1,), {"z": 2}),
    ("Base", ("x",), {}),
    ("Child", (), {"about": "x"}),
]
EQUAL_TO: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda it: pickle.loads(pickle.dumps(it)),  # noqa: S301  # what we pickled ourselves
    dataclasses.replace,
    replace,
]


def outcome(call: Callable[[], Any]) -> str:
    """What came out, or how it failed, without which of the two it was."""
    try:
        text = repr(call())
    except (TypeError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}"
    return text.replace("_ours", "").replace("_theirs", "").replace("shapes.<locals>.", "")


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_objects_are_alike(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Text, equality, hash, fields, copies; and nothing can be changed."""
    mine, other = OURS[name](*args, **kwargs), THEIRS[name](*args, **kwargs)
    looks: list[Callable[[Any], Any]] = [
        repr,
        dataclasses.asdict,
        lambda it: hash(it) == hash(copy.copy(it)),
        lambda it: it == type(it)(*args, **kwargs),
        lambda it: it == 3,
        lambda it: it in (3, None),
        lambda it: hasattr(it, "__dict__"),
        lambda it: type(it).__match_args__,
        lambda it: type(it).__slots__,
        lambda it: type(it).__dataclass_params__,
        lambda it: type(it).__doc__,
        lambda it: it.doubled,
    ]
    for look in looks:
        assert outcome(partial(look, mine)) == outcome(partial(look, other)), inspect.getsource(look)
    for again in EQUAL_TO:
        assert again(mine) == mine
        assert repr(again(mine)) == repr(mine)
    assert mine != other
    assert other != mine
    for field in (*type(mine).__slots__, "unknown"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to field '{field}'"):
            setattr(mine, field, 5)
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete field '{field}'"):
            delattr(mine, field)


@pytest.mark.parametrize(("name", "args", "kwargs"), REFUSED)
def test_arguments_are_refused_alike(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """In Python's own words."""
    mine = outcome(lambda: OURS[name](*args, **kwargs))
    other = outcome(lambda: THEIRS[name](*args, **kwargs))
    assert mine.startswith("TypeError")
    assert mine == other


@pytest.mark.parametrize("name", OURS)
def test_classes_are_alike(name: str) -> None:
    """Signatures for help pages and editors, before the first object is made."""
    fresh = shapes(ours)[name]
    assert str(inspect.signature(fresh)) == str(inspect.signature(THEIRS[name]))
    assert [(each.name, each.type, each.kw_only) for each in dataclasses.fields(fresh)] == [
        (each.name, each.type, each.kw_only) for each in dataclasses.fields(THEIRS[name])
    ]


def test_replacing() -> None:
    """As `dataclasses.replace` does it; what is no field is refused in Python's words."""
    kind = OURS["Child"]
    made = kind("n", 3, about="x")
    for one in (replace, dataclasses.replace):
        changed = one(made, name="m", tags=("t",))
        assert changed == kind("m", 3, about="x", tags=("t",))
        assert made == kind("n", 3, about="x")
        with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
            one(made, other=1)


def test_what_differs_in_what_does_not_count_is_equal() -> None:
    """A field with `compare=False`; its hash follows."""
    kind = OURS["Defaults"]
    assert kind(1, e=1.0) == kind(1, e=2.0)
    assert kind(1) != kind(2)
    assert kind(1, "x") != kind(1, "y")


def test_an_object_that_holds_itself_can_be_shown() -> None:
    """As `dataclasses` shows it."""
    held: list[Any] = []
    for kind in (OURS["Child"], THEIRS["Child"]):
        held[:] = [kind("n", held)]
        assert repr(held[0]).count("...") == 1


def test_other_kinds_come_from_elsewhere() -> None:
    """What may be changed, or has no slots."""
    for wrong in ({"frozen": True, "slots": False}, {"frozen": False, "slots": True}):
        with pytest.raises(TypeError, match=r"dataclasses\.dataclass"):
            ours(**wrong)


def test_all_frozen_classes_are_made_by_one_module() -> None:
    """A class made by `dataclasses` itself costs five times as much of everybody's start."""
    slow = [
        name
        for name, tree in modules()
        for text in [ast.unparse(tree)]
        if name != "domain/frozen.py"
        if "dataclasses.dataclass(frozen=True, slots=True" in text
        or ("@dataclass(frozen=True, slots=True" in text and "from aftrun.domain.frozen import dataclass" not in text)
    ]
    assert slow == []


@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("frozen", [True, False])
def test_others_make_classes_of_them(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], slots: bool, frozen: bool
) -> None:
    """A frozen dataclass of somebody else's may have one of ours for its base, and one that is not frozen may not."""

    def below(base: type) -> Any:
        body = {"__annotations__": {"more": int}, "more": dataclasses.field(default=5, kw_only=True)}
        made: Any = dataclasses.dataclass(frozen=frozen, slots=slots)(type("Below", (base,), body))
        made.__qualname__ = "Below"
        it = made(*args, **kwargs, more=7)
        changed = dataclasses.replace(it, more=8)
        return it, dataclasses.asdict(it), changed, it == changed, copy.deepcopy(it) == it, it == base(*args, **kwargs)

    assert outcome(partial(below, OURS[name])) == outcome(partial(below, THEIRS[name]))
