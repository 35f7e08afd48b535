"""One mistake at a random place of a random valid manifest is found at that line and column."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, note, settings
from hypothesis import strategies as st

from aftrun.domain.errors import ManifestError, Severity
from aftrun.manifest import load_all
from tests.effort import effort

EXAMPLES = effort(quick=50, usual=200, long=5000)


@dataclass
class Slot:
    """A piece of the text at which a mistake can be made."""

    kind: str
    at: int
    """Index into the pieces."""
    data: dict[str, str] = field(default_factory=dict)


class Writer:
    """Writes a manifest, block or flow, and remembers what stands where."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.pieces: list[str] = []
        self.slots: list[Slot] = []

    def put(self, text: str, *kinds: str, **data: str) -> None:
        """A piece, and the mistakes that can be made with it."""
        self.slots += [Slot(kind, len(self.pieces), data) for kind in kinds]
        self.pieces.append(text)

    def comment(self) -> str:
        """Nothing, or something that readers skip."""
        return self.rng.choice(["", "", "", " # über 😀 ${X} *y", "\n\n  # a: b"])


Field = tuple[str, str, tuple[str, ...]]
SELECTORS = ("scriptName", "scriptId", "filePath")
WORDS = ["My Backup Job", "Zürich", "a b", "/archive/2026", "😀", "x-y", "C:\\temp"]


def _quoted(rng: random.Random, text: str) -> str:
    return rng.choice([f"'{text}'", '"' + text.replace("\\", "\\\\") + '"'])


def _fields(rng: random.Random, number: int, names: list[str]) -> list[Field]:
    """The fields of a job: name, value, the mistakes that the value can be."""
    fields: list[Field] = [("name", _quoted(rng, names[number]), ("other-name",) if number else ())]
    selector = rng.choice(SELECTORS)
    script = "/opt/x.syncjs" if selector == "filePath" else rng.choice(WORDS)
    fields.append((selector, _quoted(rng, script), ("reference", "control", "second", "empty")))
    optional: list[Field] = [
        ("timeout", rng.choice(["2h", "'1h30m'"]), ("duration",)),
        ("queueTimeout", "500ms", ("duration",)),
        ("wait", "true", ("flag",)),
        ("allowFailure", rng.choice(["true", "false"]), ("flag",)),
        ("when", rng.choice(["success", "always"]), ("choice",)),
        ("onAmbiguous", "fail", ("choice",)),
        ("description", _quoted(rng, rng.choice(WORDS)), ("reference", "control")),
        ("expect", '["exitCode == `0`"]', ("jmespath", "anchor", "tag")),
        ("tags", "[a, b]", ("anchor", "tag")),
        ("retry", "{limit: 2}", ("retry", "anchor")),
        ("concurrency", _quoted(rng, "k"), ("reference",)),
    ]
    fields += rng.sample(optional, rng.randrange(len(optional)))
    if number and rng.random() < 0.5:
        fields.append(("needs", f"[{_quoted(rng, rng.choice(names[:number]))}]", ("need",)))
    if rng.random() < 0.3:
        fields.append(("matrix", "{region: [eu, us]}", ("axis", "matrix")))
    rng.shuffle(fields)
    return fields


def manifest(rng: random.Random) -> Writer:
    """A random valid manifest."""
    out = Writer(rng)
    if rng.random() < 0.3:
        out.put("---\n")
    if rng.random() < 0.5:
        out.put("# ünïcode\n")
    if rng.random() < 0.5:
        out.put("strategy", "key")
        out.put(": {order: parallel, ")
        out.put("maxParallel", "key")
        out.put(": ")
        out.put(str(rng.randint(1, 9)), "number")
        out.put("}\n")
    if rng.random() < 0.4:
        out.put("server:\n  ")
        out.put("url", "key")
        out.put(": ")
        out.put(_quoted(rng, "https://aft.example.com:44399"), "url", "reference")
        out.put("\n")
    if rng.random() < 0.4:
        out.put("defaults", "key")
        out.put(": {")
        out.put("timeout", "key")
        out.put(": ")
        out.put("3h", "duration")
        out.put("}\n")
    names = [f"job-{number} {rng.choice(['é', 'x', '😀'])}" for number in range(rng.randint(1, 6))]
    out.put("jobs", "key")
    out.put(":" + out.comment() + "\n")
    indent = rng.randrange(4)
    for number in range(len(names)):
        _job(out, number, names, indent)
    return out


def _job(out: Writer, number: int, names: list[str], indent: int) -> None:
    rng = out.rng
    flow = rng.random() < 0.4
    out.put(" " * indent + "- ")
    if flow:
        out.put("{")
    between = ", " if flow else "\n" + " " * (indent + 2)
    for place, (name, value, kinds) in enumerate(_fields(rng, number, names)):
        if place:
            out.put(between)
        out.put(name, "key" if name not in ("name", *SELECTORS) else "key-too", between=between)
        out.put(": ")
        others = " ".join(SELECTORS[:1] if name != "scriptName" else SELECTORS[1:2])
        out.put(value, *kinds, between=between, first=names[0], other=others)
    if rng.random() < 0.7:
        out.put(between)
        out.put("params", "key")
        out.put(": {")
        for place in range(rng.randint(1, 4)):
            if place:
                out.put(", ")
            out.put(f"p{place}", *(("twice",) if place else ()))
            out.put(": ")
            out.put(_quoted(rng, rng.choice(WORDS)), "reference", "inside", "control", "list", "anchor", "tag", "null")
        out.put("}")
    if flow:
        out.put("}")
    out.put((out.comment() if not flow else "") + "\n")


Mistake = Callable[[random.Random, str, dict[str, str]], tuple[str, int, str]]
"""Makes of a piece: the wrong text, the offset in it at which the mistake stands, and the code."""


def _reference(rng: random.Random, old: str, _: dict[str, str]) -> tuple[str, int, str]:
    bad = rng.choice(["${", "${}", "${9x}", "${vault:x}", "${{ }}", "${{ nothing }}", "${A${B}"])
    quote, before = rng.choice("'\""), rng.choice(["", "pre ", "ü😀 ", "$$ "])
    code = "AFT040"
    offset = 1 + len(before)
    return f"{quote}{before}{bad}{quote}", offset, code


MISTAKES: dict[str, Mistake] = {
    "key": lambda _, old, __: (old + "x", 0, "AFT021"),
    "key-too": lambda _, old, __: (old + "_", 0, "AFT021"),
    "duration": lambda rng, _, __: (rng.choice(["soon", "'2 hours'", "5min"]), 0, "AFT026"),
    "flag": lambda rng, _, __: (rng.choice(["yes", "'true'", "1"]), 0, "AFT020"),
    "choice": lambda _, old, __: (old + "s", 0, "AFT025"),
    "number": lambda rng, _, __: (rng.choice(["0", "10001"]), 0, "AFT027"),
    "url": lambda rng, _, __: (rng.choice(["'ftp://host'", "host:44399", "'https://'"]), 0, "AFT057"),
    "reference": _reference,
    "inside": lambda _, __, ___: ("'ü ${{ vars.nope }}'", 3, "AFT042"),
    "control": lambda _, old, __: (old[:1] + "\x07" + old[1:], 1, "AFT003"),
    "second": lambda _, old, data: (
        f"{old}{data['between']}{data['other']}: y",
        len(old) + len(data["between"]),
        "AFT024",
    ),
    "empty": lambda _, __, ___: ('""', 0, "AFT030"),
    "jmespath": lambda _, __, ___: ('["exitCode == `0`", "a["]', 20, "AFT058"),
    "anchor": lambda _, __, ___: ("*nowhere", 0, "AFT009"),
    "tag": lambda _, old, __: ("!!python/name:os.system " + old, 0, "AFT006"),
    "retry": lambda _, __, ___: ("{limit: 2, on: [timedOut]}", 16, "AFT025"),
    "need": lambda _, __, ___: ("[nobody]", 1, "AFT051"),
    "axis": lambda _, __, ___: ("{region: [eu, us, eu]}", 18, "AFT059"),
    "matrix": lambda _, __, ___: ("{region: [eu], exclude: [{regoin: eu}]}", 26, "AFT059"),
    "other-name": lambda _, __, data: ("'" + data["first"] + "'", 0, "AFT050"),
    "twice": lambda _, __, ___: ("p0", 0, "AFT005"),
    "list": lambda _, __, ___: ("[a, b]", 0, "AFT029"),
    "null": lambda _, __, ___: ("~", -1, "AFT029"),
}


def plant(writer: Writer, slot: Slot) -> tuple[str, int, int, str]:
    """The text with the mistake, its line and column, and its code."""
    wrong, offset, code = MISTAKES[slot.kind](writer.rng, writer.pieces[slot.at], slot.data)
    before = "".join(writer.pieces[: slot.at])
    if offset < 0:  # what has no value is shown at its key: two pieces before
        before, offset = "".join(writer.pieces[: slot.at - 2]), 0
    else:
        before += wrong[:offset]
    text = "".join([*writer.pieces[: slot.at], wrong, *writer.pieces[slot.at + 1 :]])
    return text, before.count("\n") + 1, len(before) - before.rfind("\n"), code


def problems(text: str, *, crlf: bool, bom: bool) -> list[tuple[int, int, str]]:
    """Line, column and code of every error."""
    data = (b"\xef\xbb\xbf" if bom else b"") + (text.replace("\n", "\r\n") if crlf else text).encode()
    try:
        load_all(["f.yaml"], read=lambda _: data, environ={})
    except ManifestError as error:
        return [(p.line, p.column, p.code) for p in error.problems if p.severity is Severity.ERROR]
    return []


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 2**64), st.booleans(), st.booleans())
def test_a_planted_mistake_is_found_where_it_is(seed: int, crlf: bool, bom: bool) -> None:
    """The manifest is valid without the mistake; with it, an error of the right kind stands at the very place."""
    rng = random.Random(seed)  # noqa: S311 - a manifest, not a secret
    writer = manifest(rng)
    assert problems("".join(writer.pieces), crlf=crlf, bom=bom) == []
    slot = rng.choice(writer.slots)
    text, line, column, code = plant(writer, slot)
    note(f"{slot.kind} {code} at {line}:{column}\n{text}")
    found = problems(text, crlf=crlf, bom=bom)
    assert (line, column, code) in found
    # Nothing is said of places before it that only suffer from it, but for a job that now has no script.
    assert found[0] == (line, column, code) or found[0][2] in ("AFT023", "AFT050", "AFT051")


def test_every_mistake_is_made() -> None:
    """The kinds of mistakes are all reached, so that none is only in the table."""
    kinds = {slot.kind for seed in range(200) for slot in manifest(random.Random(seed)).slots}  # noqa: S311 - as above
    assert kinds == set(MISTAKES)
