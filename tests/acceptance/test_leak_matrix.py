"""The whole table: awkward secrets, the spellings of an echo, the places of an answer, every command and every file.

A server with TLS knows the secrets that its jobs were given, and says them in all spellings wherever a server can say
anything. Whatever any command prints or writes is then searched for pieces of them.
"""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from aftrun.cli.main import COMMANDS
from aftrun.domain.model import Json
from aftrun.report.registry import FORMATS
from tests.conftest import Run
from tests.effort import effort
from tests.spellings import ENCODINGS, SECRETS
from tests.ui import serving
from tests.unit.receiver import receiver
from tests.unit.servers import RawServer, Visit, response, self_signed

KEY = "k3y$7\"quo'te<&>"
KNOWN = (*(each for each in SECRETS if len(each) <= 300), KEY)
"""The longest would fill each message alone; tests/unit/domain/test_leaks.py has it."""
NAMES = tuple(ENCODINGS)
PLACES = ("message", "word", "id", "field", "refusal", "page", "text", "reason", "location", "header")
"""Where an answer has room for text: of a job info, of a refusal, of a page that is no JSON, of the head."""
PLANS = ("text", "json", "curl", "powershell")
SAYS_NOTHING_OF_A_SERVER = ("completion", "explain", "import", "init", "sandbox", "schema")
CI = ("github", "gitlab", "azure", "teamcity")


def _spelled(number: int, secrets: tuple[str, ...] = KNOWN) -> list[str]:
    """All secrets in one spelling, each time with another one first: texts are cut."""
    first = number * 7 % len(secrets)
    return [ENCODINGS[NAMES[number % len(NAMES)]](each) for each in (*secrets[first:], *secrets[:first])]


def _line(texts: list[str]) -> str:
    """As many as fit into the head of an answer, none of them cut: half a secret is no secret that anyone knows."""
    fit = [re.sub(r"[\r\n\0]", " ", text.encode("latin-1", "replace").decode("latin-1")) for text in texts]
    return " ; ".join(text for text in fit if len(text) < 200)[:6000].rpartition(" ; ")[0]


def _answer(name: str, number: int, posted: bool) -> bytes:
    """What is said of a job whose script is called `place/number`."""
    place, _, which = name.partition("/")
    texts = _spelled(int(which), (KEY,) * 3 if place == "key" else KNOWN)
    if place in PLACES[4:] and posted:
        said = " ; ".join(texts)
        bodies = {
            "refusal": ("400 Bad Request", json.dumps({"error": {"message": said, "details": texts}})),
            "page": ("500 Oops", f"<html><title>{said}</title><p>{said}"),
            "text": ("422 No", said),
        }
        if place in bodies:
            status, body = bodies[place]
            return response(body.encode("utf-8", "replace"), status)
        heads = {"reason": (f"400 {_line(texts)}", ()), "location": ("307 Go", (f"Location: /{_line(texts)}",))}
        status, headers = heads.get(place, ("201 Created", (f"Location: {_line(texts)}", f"X-Echo: {_line(texts)}")))
        return response(b"{}", status, *headers)
    if posted:
        info: dict[str, Json] = {"id": texts[0] if place == "id" else str(number), "status": "queued"}
        return response(json.dumps(info).encode(), "201 Created")
    info = {
        "id": str(number),
        "status": texts[0] if place == "word" else "succeeded" if place == "field" else "failed",
        "exitCode": 0 if place in ("word", "field") else 3,
        "message": " ; ".join(texts),
        "data": list(texts) if place == "field" else [texts[0]],
        texts[0]: {texts[1]: texts[2]} if place == "field" else 1,
    }
    return response(json.dumps(info).encode())


class Echo:
    """The server, with the names of the scripts that it was asked to start."""

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def __call__(self, visit: Visit) -> None:
        """Answer one connection."""
        while request := visit.request():
            head, _, body = request.partition(b"\r\n\r\n")
            if head.startswith(b"POST"):
                self.jobs.append(json.loads(body)["scriptName"])
                visit.send(_answer(self.jobs[-1], len(self.jobs), posted=True))
                continue
            number = urllib.parse.unquote(head.split(b" ")[1].rpartition(b"/")[2].decode())
            known = number.isascii() and number.isdigit() and 0 < int(number) <= len(self.jobs)
            name = self.jobs[int(number) - 1] if known else "message/0"
            visit.send(_answer(name, int(number) if known else 1, posted=False))


def _manifest(server: RawServer, hook: str, scripts: list[str], folder: Path) -> tuple[str, dict[str, str]]:
    """A manifest that sends each secret, out of a variable, or out of a file where no variable can hold it."""
    environ, references = {"AFT_API_KEY": KEY}, []
    (folder / "given").mkdir()
    for number, secret in enumerate(KNOWN[:-1]):
        if "\0" in secret:
            (folder / "given" / str(number)).write_bytes(secret.encode() + b"\n")
            references.append(f"${{file:given/{number}}}")
        else:
            environ[f"S{number}"] = secret
            references.append(f"${{S{number}}}")
    params = {f"p{number}": reference for number, reference in enumerate(references)}
    manifest = {
        "version": 1,
        "name": "matrix",
        "server": {"url": server.url, "tls": {"fingerprint": self_signed().pin}, "headers": {"X-Extra": references[0]}},
        "strategy": {"order": "parallel", "failFast": False, "maxParallel": 8},
        "notify": {"urls": [hook], "on": ["failed", "unknown", "rejected", "succeeded"]},
        "defaults": {
            "timeout": "30s",
            "outputs": {"back": "data", "keys": "keys(@)"},
            "expect": ["data == 'x'", "message == data[0]"],
        },
        "jobs": [
            {"name": "all", "scriptName": "message/0", "params": params},
            *(
                {"name": each.replace("/", "-"), "scriptName": each}
                | ({"timeout": "1s"} if each.startswith("word") else {})  # a word that nobody knows is no end
                for each in scripts
            ),
        ],
    }
    return json.dumps(manifest), environ


PIECE = 12


def pieces() -> dict[bytes, str]:
    """What a leak is known by: twelve bytes side by side of a spelling, or all of a shorter one; and whose they are."""
    found: dict[bytes, str] = {}
    for name, encode in ENCODINGS.items():
        for secret in KNOWN:
            data = _BLANKS.sub(b" ", encode(secret).strip().encode("utf-8", "surrogatepass"))
            if len(data) < 8 and data.isalnum():
                continue  # these stand in digests by chance
            if len(html.unescape(secret)) < 8 and name in ("upper case", "lower case") and data.decode() != secret:
                continue  # short ones are words of some language in another case
            for at in range(max(1, len(data) - PIECE + 1)):
                piece = data[at : at + PIECE]
                if len(set(piece)) > 3 and piece.strip(b"&#x;%\\u{}025 "):  # but for blanks
                    found[piece] = f"{name} of {secret[:20]!r}"
    return found


_BLANKS = re.compile(rb"(?:\s|\\[nrt])+")


def _readings(data: bytes) -> Iterator[bytes]:
    """A file as it is, and with what JSON and HTML escape undone, since a text may have been written into one."""
    text = data.decode("utf-8", "replace")
    plain = re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), text)
    plain = plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    yield _BLANKS.sub(b" ", data)
    yield _BLANKS.sub(b" ", html.unescape(text).encode("utf-8", "replace"))
    yield _BLANKS.sub(b" ", re.sub(r'\\(["\\/])', r"\1", plain).encode())


def leaks(data: bytes, known: Mapping[bytes, str]) -> set[tuple[bytes, str]]:
    """Pieces that stand in a text, and of what they are."""
    short = [piece for piece in known if len(piece) < PIECE]
    found: set[bytes] = set()
    for view in _readings(data):
        found |= known.keys() & {view[at : at + PIECE] for at in range(len(view) - PIECE + 1)}
        found |= {piece for piece in short if piece in view}
    return {(piece, known[piece]) for piece in found}


def test_the_search_finds_what_it_looks_for() -> None:
    """A piece of any spelling, in the middle of JSON or HTML too."""
    known = pieces()
    for name, encode in ENCODINGS.items():
        spelled = encode("plain0815token")
        assert leaks(json.dumps({"x": html.escape(f"<{spelled}>")}).encode(), known), name
    assert leaks(b"1 job, 0xAB0815, run 20260102-030000-7f3a: failed", known) == set()


def test_no_cell_of_the_table_leaks(aftrun: Run, tmp_path: Path) -> None:
    """Each spelling in some place (in the long form, in each), through all that prints or writes."""
    every = [(place, number) for number in range(len(NAMES)) for place in PLACES]
    chosen = effort(quick=every[::71], usual=every[::37], full=every[::19], long=every)
    scripts = [f"{place}/{number}" for place, number in chosen]
    known, said = pieces(), {}
    echo = Echo()
    with RawServer(echo, self_signed().server_context()) as server, receiver() as hook:
        text, environ = _manifest(server, hook.url.replace("http://", "json://"), scripts, tmp_path)
        (tmp_path / "m.json").write_text(text)
        used = set()

        def run(*words: str, **extra: str) -> None:
            done = aftrun(*words, env={**environ, **extra})
            assert done.code in (0, 1, 6), done.err
            assert "Traceback" not in done.err
            said[" ".join(words)] = (done.out + done.err).encode()
            used.add(words[0])

        reports = [part for name in FORMATS for part in (f"--report-{name}", f"r.{name}")]
        at = ("-m", "m.json")
        reach = ("--server", server.url, "--fingerprint", self_signed().pin)
        run("apply", "m.json", "-vv", *reports, "--events", "e.ndjson")
        assert len(echo.jobs) == len(scripts) + 1, said
        (run_id,) = (path.name for path in (tmp_path / ".aftrun" / "runs").iterdir())
        unknown = next(each for each in scripts if each.startswith("page"))
        for command in [
            ("validate", "m.json"),
            *(("plan", "m.json", "--format", name) for name in effort(quick=PLANS[:1], usual=PLANS[:1], long=PLANS)),
            ("status", "2", *at, "--raw", "-o", "json"),
            ("wait", "3", "4", *at, "--timeout", "5s"),
            ("learn", "6", *at, "--to", "learned.yaml"),
            ("doctor", "m.json", "--job", "7"),
            ("history", "--report-html", "history.html"),
            ("show",),
            ("watch", run_id),
            ("report", "--report-html", "again.html", "--report-json", "-"),
            ("settle", run_id, unknown.replace("/", "-"), "failed", "--note", "looked"),
            ("resume", run_id, "--events", "-", "--accept-changes"),
            ("retry", run_id, "-o", "json", "--include-unknown"),
            ("start", "-n", "key/3", "--param", "a=b", *reach),
            ("policy", "init", "m.json"),
            ("trust", server.url),
        ]:
            run(*command)
        for name in effort(quick=CI[:1], usual=CI[:1], long=CI):
            out = {"GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_OUTPUT": "output.txt", "AFTRUN_CI": name}
            run("apply", "m.json", "--select", "all", "--select", "message-*", "--unfinished", "ignore", **out)
        with serving(tmp_path, **environ) as ui:
            for page in ("", "/runs", "/history", "/history/message-1"):
                said[f"ui {page}"] = ui.ask(f"/{ui.token}{page}").body.encode()
            used.add("ui")
        said["notices"] = b"\n".join(each.body for each in hook.received)
    assert used | set(SAYS_NOTHING_OF_A_SERVER) == set(COMMANDS)
    assert len(echo.jobs) > len(scripts)
    assert said["notices"]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent.name != "given":
            said[str(path.relative_to(tmp_path))] = path.read_bytes()
    assert any(name.endswith("state.db") for name in said)
    found = {name: each for name, data in said.items() if (each := leaks(data, known))}
    assert {name: sorted(each)[:5] for name, each in found.items()} == {}
