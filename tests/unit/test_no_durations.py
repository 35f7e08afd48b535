"""No test is decided by how long something takes: no clock, no sleep, no short wait outside the places named here."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

TESTS = ROOT / "tests"

CLOCKS = {"sleep", "time", "monotonic", "perf_counter", "process_time", "thread_time"}
"""Functions of `time`, with their `_ns` forms. `sleep` of `asyncio` too."""

WAITS = {
    "check_call", "check_output", "communicate", "wait", "join", "result", "get", "acquire", "select", "poll",
    "settimeout", "create_connection", "HTTPConnection", "HTTPSConnection", "urlopen", "Barrier", "wait_for",
    "post", "request", "until", "wait_for_selector", "wait_for_function", "wait_for_timeout", "expect",
}  # fmt: skip
"""What waits for somebody else. How long at most is `HANG`, not a number."""

ALARMS = {"Timer", "alarm", "setitimer", "wait_for_timeout", "timeit"}
"""What does something after a while, whatever has happened by then."""

ALLOWED = {
    ("waiting.py", "until"): "the one loop that waits",
    ("waiting.py", "another_second"): "the machine's clock itself is waited for",
    ("data/state/record.py", "until"): "writes the record of an earlier version, with what that version had",
    ("unit/sandbox/test_faults.py", "test_no_answer_with_and_without_effect"): "what hangs gives no answer, ever",
    ("unit/client/test_tls.py", "__call__"): "a proxy that looks both ways in turn",
    ("unit/test_windows.py", "test_waiting_in_naps_loses_no_result_and_no_time"): "nothing is there, however long",
    ("windows/__main__.py", "main"): "tells how long each step took",
    ("windows/__main__.py", "_since"): "the same",
    ("unit/run/test_pool.py", "test_the_clocks_of_the_machine"): "what is tested is that clock",
}
"""File and function, and why it may."""

ELSEWHERE = ("simulation/",)
"""The long form of the simulation is given seconds to play in; what it finds is decided by its own clocks."""


def sources() -> Iterator[str]:
    """The tests, by their paths."""
    for path in sorted(TESTS.rglob("*.py")):
        name = path.relative_to(TESTS).as_posix()
        if not name.startswith(ELSEWHERE):
            yield name


class Finder(ast.NodeVisitor):
    """Collects what decides by time, with the function around it."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, str]] = []
        self._function = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:  # the name that ast calls
        """The outermost function's name is what counts."""
        before, self._function = self._function, self._function or node.name
        self.generic_visit(node)
        self._function = before

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:  # the same
        """Clocks are used by their full names, so that they can be found."""
        if node.module == "time" and {each.name.removesuffix("_ns") for each in node.names} & CLOCKS:
            self._note(node, "a clock, imported by name")

    def visit_Call(self, node: ast.Call) -> None:  # the same
        """Clocks, sleeps, alarms, and waits of so many seconds."""
        name, owner = _called(node.func)
        if owner == "time" and name.removesuffix("_ns") in CLOCKS:
            self._note(node, f"time.{name}")
        elif owner == "asyncio" and name == "sleep" and not _is_number(node.args[0], of=(0,)):
            self._note(node, "asyncio.sleep")
        elif name in ALARMS:
            self._note(node, name)
        elif name in WAITS or (owner, name) == ("subprocess", "run"):
            given = [each.value for each in node.keywords if each.arg in ("timeout", "seconds")]
            if name in ("join", "wait", "settimeout", "result", "acquire"):
                given += node.args[:1]
            if any(_is_number(each) for each in given) and not _is_text(node.func):
                self._note(node, f"{name} for so many seconds")
        self.generic_visit(node)

    def _note(self, node: ast.stmt | ast.expr, what: str) -> None:
        self.found.append((self._function, node.lineno, what))


def _called(function: ast.expr) -> tuple[str, str]:
    """Name of a function, and of what it belongs to."""
    if isinstance(function, ast.Attribute):
        return function.attr, function.value.id if isinstance(function.value, ast.Name) else ""
    return (function.id if isinstance(function, ast.Name) else ""), ""


def _is_text(function: ast.expr) -> bool:
    """Whether it is the method of a text, such as `", ".join`."""
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant)


def _is_number(node: ast.expr, of: tuple[float, ...] = ()) -> bool:
    """Whether it is a number that stands there (one of these; else any but 0, which does not wait)."""
    if isinstance(node, ast.IfExp):
        return _is_number(node.body) or _is_number(node.orelse)
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) or _is_number(node.right)
    if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
        return False
    return node.value in of if of else node.value != 0


@functools.cache
def find(text: str) -> list[tuple[str, int, str]]:
    """What decides by time in a text: function, line, what it is."""
    finder = Finder()
    finder.visit(ast.parse(text))
    return finder.found


@pytest.mark.parametrize("name", list(sources()))
def test_no_test_is_decided_by_a_duration(name: str) -> None:
    """Wait for what is meant (`tests/waiting.py`), count steps (`tests/steps.py`), set a clock (`tests/clocks.py`)."""
    text = (TESTS / name).read_text(encoding="utf-8")
    wrong = [f"{name}:{line}: {what}" for function, line, what in find(text) if (name, function) not in ALLOWED]
    assert wrong == []


def test_what_is_allowed_is_there() -> None:
    """No exception outlives its reason."""
    used = {(name, function) for name in sources() for function, _, _ in find((TESTS / name).read_text("utf-8"))}
    assert set(ALLOWED) - used == set()


@pytest.mark.parametrize(
    "line",
    [
        "time.sleep(0.1)",
        "from time import sleep",
        "from time import monotonic_ns as now",
        "assert time.monotonic() - began < 5",
        "took = time.perf_counter_ns()",
        "asyncio.sleep(0.5)",
        "threading.Timer(0.1, stop).start()",
        "signal.alarm(3)",
        "process.wait(2)",
        "process.wait(timeout=0.25 + random.random())",
        "thread.join(5)",
        "event.wait(timeout=0.3 if quick else HANG)",
        "subprocess.run(command, timeout=30)",
        "page.wait_for_timeout(500)",
        "sock.settimeout(5.0)",
        "future.result(1)",
    ],
)
def test_it_would_be_found(line: str) -> None:
    """Each way that there was, and some more."""
    assert find(line) != []


@pytest.mark.parametrize(
    "line",
    [
        "process.wait(HANG)",
        "asyncio.sleep(0)",
        "pool.wait(0.0)",
        "subprocess.run(command, timeout=HANG)",
        "job('slow', timeout=100)",
        "', '.join(parts)",
        "time.strftime('%Y')",
        "world.monotonic()",
    ],
)
def test_what_decides_nothing_is_left_alone(line: str) -> None:
    """Simulated clocks, settings of the program under test, and the one guard against hangs."""
    assert find(line) == []
