"""YAML with positions, and its limits."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from aftrun.domain.errors import Problem
from aftrun.manifest.parse import nodes, source
from aftrun.manifest.parse.nodes import ListNode, MapNode, Node, ScalarNode, Source
from aftrun.manifest.parse.syntax import MAX_BYTES
from tests.effort import EFFORT, Effort
from tests.steps import growth, steps


def read(text: str | bytes) -> tuple[list[Node], list[Problem]]:
    """The documents and problems of a text."""
    problems: list[Problem] = []
    data = text if isinstance(text, bytes) else text.encode()
    return source.documents(Source("f.yaml", data), problems), problems


def fault(text: str | bytes) -> Problem:
    """The first problem of a text."""
    _, problems = read(text)
    return problems[0]


def root(text: str) -> MapNode:
    """The one mapping of a text without problems."""
    (node,), problems = read(text)
    assert problems == []
    assert isinstance(node, MapNode)
    return node


def test_positions() -> None:
    """Every node knows where it begins and ends, block and flow alike."""
    node = root("a: b\nlist:\n  - x\n  - {k: 'v v'}\n\n# end\n")
    assert (node.line, node.column, node.end_line, node.end_column) == (1, 1, 4, 15)
    items = node.get("list")
    assert isinstance(items, ListNode)
    assert (items.line, items.column) == (3, 3)
    inner = items.items[1]
    assert isinstance(inner, MapNode)
    assert (inner.line, inner.column, inner.end_column) == (4, 5, 15)
    value = inner.get("k")
    assert isinstance(value, ScalarNode)
    assert (value.text, value.plain, value.column, value.end_column) == ("v v", False, 9, 14)


def test_places_of_dollars() -> None:
    """References are found in the file through quotes, escapes, folding and block text."""
    node = root('a: "\\t${A}"\nb: |\n  x\n  ${B}\nc: one\n  two ${C}\nd: ${D}\n')
    found = {}
    for key, value in node.pairs():
        assert isinstance(value, ScalarNode)
        place = value.places()(value.text.index("$"))
        found[key.text] = (place.line, place.column)
    assert found == {"a": (1, 7), "b": (4, 3), "c": (6, 7), "d": (7, 4)}


def test_merge_keys() -> None:
    """Explicit keys win over merged ones, and earlier merges over later."""
    node = root("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n'<<': text\n")
    assert nodes.plain(node) == {
        "a": {"x": 1, "y": 1},
        "b": {"y": 2, "z": 2},
        "c": {"x": 3, "y": 1, "z": 2},
        "<<": "text",
    }


def test_tags_of_the_core_schema() -> None:
    """YAML's own tags are known; they must fit."""
    assert nodes.plain(root("a: !!str 1\nb: !!int '2'\nc: ! 3\nd: !!float 4\ne: !!map {}\nf: !!null\n")) == {
        "a": "1", "b": 2, "c": "3", "d": 4, "e": {}, "f": None,
    }  # fmt: skip
    assert fault("a: !!int x\n").code == "AFT006"
    assert fault("a: !!null x\n").code == "AFT006"


def test_documents() -> None:
    """Empty documents are left out; those before a syntax error are kept."""
    assert len(read("a: 1\n---\n# nothing\n---\nb: 2\n")[0]) == 2
    documents, problems = read("a: 1\n---\nb: '\n")
    assert len(documents) == 1
    assert [problem.code for problem in problems] == ["AFT001"]


def test_bom_and_line_breaks() -> None:
    """A byte-order mark and Windows line breaks change nothing."""
    (node,), problems = read(b"\xef\xbb\xbfa: b\r\nc: d\r\n")
    assert problems == []
    assert isinstance(node, MapNode)
    assert (node.line, node.column) == (1, 1)
    assert [(key.text, key.line, key.column) for key in node.keys] == [("a", 1, 1), ("c", 2, 1)]


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"a: b\nc: \xff", "AFT002", 2, 4),
        ("é: \xff".encode("latin-1"), "AFT002", 1, 1),
        ("a: b".encode("utf-16"), "AFT002", 1, 1),
        ("a: b".encode("utf-16-be"), "AFT002", 1, 1),
        ("a: b".encode("utf-32"), "AFT002", 1, 1),
        (b"a: b\nc: d\x00", "AFT003", 2, 5),
        ("a: é\x07".encode(), "AFT003", 1, 5),
        ("# a comment\u2028scriptName: unseen".encode(), "AFT003", 1, 12),
        ("a: b\n# a comment\x85scriptName: unseen".encode(), "AFT003", 2, 12),
        ('{"a": "p \u2029 q"}'.encode(), "AFT003", 1, 10),
        (b"a:\n\t- b", "AFT004", 2, 1),
        (b"a: 1\na: 2", "AFT005", 2, 1),
        (b"a: !!python/object:os.system b", "AFT006", 1, 4),
        (b"a: !x!y b", "AFT006", 1, 4),
        (b"{[a]: b}", "AFT007", 1, 2),
        (b"? {a: b}\n: c", "AFT007", 1, 3),
        (b"~: c", "AFT007", 1, 1),
        (b"a: *b", "AFT009", 1, 4),
        (b"a: &a [*a]", "AFT009", 1, 8),
        (b"a: &a\n  <<: *a", "AFT009", 2, 7),
        (b"<<: 1", "AFT009", 1, 5),
        (b"<<: {}\n<<: {}", "AFT005", 2, 1),
        (b'a: "\\ud83d"', "AFT001", 1, 7),
        (b"%YAML 3.0\n---\na: b", "AFT001", 1, 1),
        (b"a: b: c", "AFT001", 1, 5),
        (b"a: [b", "AFT001", 1, 4),
        (b'a: "\nb', "AFT001", 1, 4),
    ],
)
def test_refused(data: bytes, code: str, line: int, column: int) -> None:
    """Everything that cannot be read is our own problem, at its place."""
    problem = fault(data)
    assert (problem.code, problem.line, problem.column) == (code, line, column)


def test_pairs_of_surrogates_in_json() -> None:
    """JSON's spelling of characters beyond U+FFFF is understood, and text that only looks like it is left alone."""
    assert nodes.plain(root(r'{"a": "\ud83d\ude00", "b": "\\ud83d\\ude00"}')) == {"a": "😀", "b": r"\ud83d\ude00"}


def test_places_after_pairs_of_surrogates() -> None:
    """What follows such a pair on its line is named at its own place, not at that of the shorter text."""
    pair = r"\ud83d\ude00"
    text = f'{{"é": "{pair}", "b": "{pair}x{pair}", "c": 1,\n "d": "{pair}", "e": [2]}}'
    for key, value in root(text).pairs():
        line = text.splitlines()[key.line - 1]
        assert line[key.column - 1 : key.end_column - 1] == f'"{key.text}"'
        last = text.splitlines()[value.end_line - 1]
        assert last[value.end_column - 2] in '"1]'
    assert growth(lambda size: read('{"a": "' + f"{pair} " * size + '"}'), 1000, 8) < 16, "as the text, not its square"


def _bomb() -> bytes:
    lines = [b"a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [b"%c: &%c [%s]" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in b"bcdefghijkl"]
    return b"\n".join(lines)


@pytest.mark.parametrize(
    "data",
    [
        _bomb(),
        b"[" * 10_000,
        b"- " * 10_000,
        b"? " * 10_000,
        b"".join(b" " * n + b"a:\n" for n in range(1000)),
        b"a: &a " + b"[" * 40 + b"]" * 40 + b"\nb: " + b"[" * 40 + b"*a" + b"]" * 40,
        b"a: " + b"y" * (MAX_BYTES + 1),
    ],
    ids=["aliases", "flow", "block", "keys", "mappings", "alias-depth", "bytes"],
)
def test_limits(data: bytes) -> None:
    """Hostile files end at a limit, soon: what they would become is never built."""
    assert steps(lambda: fault(data)) < 100_000
    assert fault(data).code == "AFT008"


DEEP = {
    "flow": "[" * 70,
    "flow, far": "[" * 3_000,
    "flow, spaced": "[ " * 600,
    "flow, several lines": "[\n" * 600,
    "mappings": "{a: " * 600,
    "mixed": "- a: {b: [" + "{c: [" * 100,
    "value": "a: b\nc: " + "[" * 1000 + "x",
    "second document": "a: b\n---\n" + "[" * 1000,
    "quoted before": 'a: "[["\nb: ["[[", ' + "[" * 1000,
    "wide characters before": "a: äöü😀\nb: [😀, " + "{ü: [" * 500,
    "key": "? " + "[" * 1000,
    "anchor": "a: &a " + "[" * 1000,
    "closed": "[" * 65 + "]" * 65,
    "a mistake behind": "[" * 65 + "@",
    "block": "- " * 1100,
    "JSON": '{"a": "\\ud83d\\ude00", "b": ' + "[" * 1100,
}
SHALLOW = {
    "brackets in quotes": "a: '" + "[" * 200,
    "brackets in double quotes": 'b: [1, "' + "[{" * 200,
    "brackets in a comment": "a: [  # " + "[" * 200 + "\n@",
    "as deep as may be": "[" * 64 + "@",
    "opened and closed": "[" * 60 + "[]," * 100 + "@",
}


class Impatient(yaml.SafeLoader):
    """A parser with a limit of its own, as libyaml and PyYAML may have in any release, said in words of its own."""

    limit = 64

    def fetch_flow_collection_start(self, token: Any) -> None:
        """The scanner's step for `[` and `{`."""
        if self.flow_level >= self.limit:
            raise yaml.scanner.ScannerError(None, None, "this far and no further", self.get_mark())
        super().fetch_flow_collection_start(token)


@pytest.mark.parametrize("limit", [0, 65, 100, 1000, 100_000], ids=lambda limit: f"limit {limit or 'of libyaml'}")
def test_a_depth_limit_is_one_fault_whichever_layer_has_it(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too deep is AFT008 at the 65th level, whatever the parser's own limit; a mistake before that is a mistake."""
    if limit:
        monkeypatch.setattr(yaml, "CSafeLoader", Impatient)
        monkeypatch.setattr(Impatient, "limit", limit)
    for name, text in DEEP.items():
        assert (name, fault(text).code) == (name, "AFT008")
    for name, text in SHALLOW.items():
        assert (name, fault(text).code) == (name, "AFT001")
    problem = fault("a: b\nc: {ü: " + "[" * 1100)
    assert (problem.line, problem.column) == (2, 8 + 62), "the 65th level: two mappings, and the 63rd bracket"


def keys(count: int) -> bytes:
    """A mapping of so many keys."""
    return b"".join(b"k%d:\n" % number for number in range(count))


def test_as_many_keys_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of values is limited, to the very value, and the work to count them grows with them alone."""
    assert source.MAX_NODES == 1_000_000
    monkeypatch.setattr(source, "MAX_NODES", 5_000)
    assert read(keys(4_999))[1] == []  # the mapping is a value too
    assert fault(keys(5_000)).code == "AFT008"
    assert fault(keys(50_000)).code == "AFT008"
    assert steps(lambda: fault(keys(50_000))) < 2 * steps(lambda: read(keys(4_999))), "it stops at the limit"
    assert growth(lambda size: read(keys(size)), 500, 8) < 16


if EFFORT is Effort.LONG:  # it takes a minute, and nothing that is left out shall look like a test that was skipped

    def test_a_million_keys() -> None:
        """The real limit, met."""
        assert fault(keys(source.MAX_NODES + 1)).code == "AFT008"


def test_depth_of_exactly_the_limit() -> None:
    """64 levels are allowed, 65 are not."""
    assert read("[" * 63 + "x" + "]" * 63)[1] == []
    assert fault("[" * 64 + "x" + "]" * 64).code == "AFT008"


def test_without_the_c_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure Python parser gives the same tree."""
    text = "a: &x {b: 'c', d: [1, *y]}\n".replace("*y", "2") + "e: *x\n"
    expected = nodes.plain(root(text))
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert nodes.plain(root(text)) == expected
    assert fault("a: '\n").code == "AFT001"
    assert fault('a: "\\U7fffffff"').code == "AFT001"
