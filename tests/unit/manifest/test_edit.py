"""Words put into manifests: everything else stays as it was, to the byte, in whatever layout it stands."""

from __future__ import annotations

import pytest

from aftrun.domain.model import Json, State
from aftrun.domain.values import Origin
from aftrun.domain.words import to_plain
from aftrun.manifest.edit import CannotEdit, add_words
from aftrun.manifest.load import load_all

WORDS = {State.RUNNING: ["Percolating"], State.SUCCEEDED: ["Decanted", "all done"]}
STATES = {"running": ["Percolating"], "succeeded": ["Decanted", "all done"]}
JOBS = "jobs:\n  - scriptName: A # the job\n"


def load(data: bytes, path: str = "m.yaml") -> list[tuple[Origin, dict[str, Json]]]:
    """Where each server stands, and how its job info is read."""
    (manifest,) = load_all([path], read=lambda _: data).manifests
    found = []
    for server in manifest.servers:
        assert server.origin is not None
        plain = to_plain(server.job_info)
        states = plain.get("states", {})
        assert isinstance(states, dict)
        found.append((server.origin, {**plain, "states": states}))
    return found


LAYOUTS = {
    "no server": (f"version: 1\nname: n\n{JOBS}", STATES),
    "no server and no head": (JOBS, STATES),
    "one job": ("scriptName: A # it\nparams: {a: b}\n", STATES),
    "a comment first": (f"# schema\n\n# more\n{JOBS}", STATES),
    "a mark of a document first": (f"---\n{JOBS}", STATES),
    "a block": (f"server:\n  url: https://h:1 # here\n\n# next\n{JOBS}", STATES),
    "a block at the end": (f"{JOBS}server:\n  url: https://h:1", STATES),
    "a block with a block in it": (f"server:\n    poll:\n        min: 1s # c\n{JOBS}", STATES),
    "a flow": (f"server: {{url: 'https://h:1', tls: {{insecure: true}}}} # c\n{JOBS}", STATES),
    "an empty flow": (f"server: {{}}\n{JOBS}", STATES),
    "a flow over lines": (f"server: {{\n  url: 'https://h:1', # c\n  poll: {{min: 1s}},\n}}\n{JOBS}", STATES),
    "a jobInfo": (f"server:\n  jobInfo:\n    status: data.state # c\n  url: https://h:1\n{JOBS}", STATES),
    "lists in a block": (
        f"server:\n  jobInfo:\n    states:\n      running:\n        - Brewing # c\n        - Hot\n  url: https://h:1\n{JOBS}",
        {**STATES, "running": ["Brewing", "Hot", "Percolating"]},
    ),
    "lists not indented": (
        f"server:\n  jobInfo:\n    states:\n      running:\n      - Brewing\n{JOBS}",
        {**STATES, "running": ["Brewing", "Percolating"]},
    ),
    "lists in a flow": (
        f"server:\n  jobInfo:\n    states: {{running: [Brewing, 'on fire'], failed: []}} # c\n{JOBS}",
        {"running": ["Brewing", "on fire", "Percolating"], "failed": [], "succeeded": ["Decanted", "all done"]},
    ),
    "a single word": (
        f"server:\n  jobInfo:\n    states:\n      running: 'on fire' # c\n{JOBS}",
        {**STATES, "running": ["on fire", "Percolating"]},
    ),
    "json": (
        '{"version": 1, "server": {"url": "https://h:1"}, "jobs": [{"scriptName": "A"}]}\n',
        STATES,
    ),
    "json over lines": ('{\n  "jobs": [\n    {"scriptName": "A"}\n  ]\n}\n', STATES),
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_are_added_and_nothing_else_is_changed(layout: str, bom: bytes, ends: str) -> None:
    """The lists say what they should, and the old text is still there, piece by piece."""
    text, wanted = LAYOUTS[layout]
    data = bom + text.replace("\n", ends).encode()
    ((place, before),) = load(data)
    new = add_words("m.yaml", data, place, WORDS)
    ((_, after),) = load(new)
    assert after == {**before, "states": wanted}
    assert new.startswith(bom)
    assert new.count(b"\r\n") == (new.count(b"\n") if ends == "\r\n" else 0)
    rest = new.decode()
    for line in data.removeprefix(bom).decode().split(ends):
        for piece in line.replace("}", "\0").replace("]", "\0").replace("'on fire'", "\0'on fire'\0").split("\0"):
            assert piece in rest
            rest = rest[rest.index(piece) + len(piece) :]


def test_of_several_servers_one_is_changed() -> None:
    """The one at the place that is named, under its name."""
    data = f"servers:\n  eu: {{url: 'https://eu:1'}}\n  us:\n    url: https://us:1\n{JOBS}    server: us\n".encode()
    (_, eu), (place, _) = load(data)
    (_, eu_after), (_, us_after) = load(add_words("m.yaml", data, place, WORDS))
    assert (eu_after, us_after["states"]) == (eu, STATES)


def test_the_document_of_several_that_holds_the_server_is_changed() -> None:
    """Others of the file stay as they are."""
    data = b"scriptName: A\n---\nserver:\n  url: https://h:1\njobs: [{scriptName: B}]\n"
    new = add_words("m.yaml", data, Origin("m.yaml", 4, 3), {State.FAILED: ["Curdled"]})
    assert new == data.replace(b"h:1\n", b"h:1\n  jobInfo:\n    states:\n      failed: [Curdled]\n")


def test_what_two_servers_share_is_not_touched() -> None:
    """An anchor: the words would be said of the other as well."""
    data = f"servers:\n  eu: &one {{url: 'https://eu:1'}}\n  us: *one\n{JOBS}    server: us\n".encode()
    place = load(data)[1][0]
    with pytest.raises(CannotEdit):
        add_words("m.yaml", data, place, WORDS)


@pytest.mark.parametrize("word", ["true", "12", "on: fire", "it's", "# no", "a, b]", "ünï", '"q"', "- x", "{", "null"])
@pytest.mark.parametrize("layout", ["no server", "lists in a block", "lists in a flow", "json"])
def test_any_word_is_written_as_it_is(layout: str, word: str) -> None:
    """Numbers, signs of YAML, quotes: read again, it is the same word."""
    data = LAYOUTS[layout][0].encode()
    ((place, _),) = load(data)
    ((_, after),) = load(add_words("m.yaml", data, place, {State.CANCELLED: [word]}))
    states = after["states"]
    assert isinstance(states, dict)
    assert states["cancelled"] == [word]
