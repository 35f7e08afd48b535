"""What the documentation shows is what happens: its commands are run, its manifests validated, its Python executed."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import textwrap
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import jsonschema
import pytest
import yaml

from aftrun.domain.model import Json
from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from aftrun.system.resources import schema_text
from tests.conftest import ROOT, clean_environ
from tests.docs.blocks import Block, agrees, blocks, commands
from tests.docs.shell import Shell

NEEDS_POSIX = pytest.mark.skipif(os.name == "nt", reason="the pages' commands are written for a POSIX shell")

WRITE = os.environ.get("AFTRUN_DOCS") == "write"
"""Put what commands really print into the pages, where it is not what they show."""

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FOREIGN = {"ci.md", "airflow.md", "completion.md", "scaling.md"}
"""Pages whose YAML is mostly not ours: manifests there say so with a title."""
ELSEWHERE = {"airflow.md": re.compile(r"^\$? ?(airflow|pip|python -m pip) ", re.MULTILINE)}
"""Pages about programs that are not here, and their commands: these are only held against aftrun's flags, and Python is
only compiled."""
SHELL = {"console", "bash", "sh"}
SHOWN = {"text", "powershell", "groovy", "ini", "xml", "toml", "http", "diff", "promql", "dockerfile", "fish", "zsh"}
"""Languages of blocks that are only shown; what they say of aftrun's flags is checked."""
PORT = 44399
EVENT = json.loads(schema_text("event"))
"""What a line of an `ndjson` block is."""
PIN = re.compile(r"sha256:[0-9a-f]{64}")
QUICK: dict[str, Json] = {"defaults": {"queue": "0s", "duration": {"min": "20ms", "max": "120ms"}}}

SETTING = re.compile(r"<!-- page: (.*?) -->", re.DOTALL)


def settings(page: Path) -> list[dict[str, str]]:
    """The servers that a page talks about: `<!-- page: server=URL key=KEY pin=sha256:… scenario=FILE -->`."""
    text = page.read_text(encoding="utf-8")
    return [dict(part.split("=", 1) for part in found.split()) for found in SETTING.findall(text)]


def free_port() -> int:
    """A port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Reading:
    """One page, read from top to bottom in a folder of its own."""

    edits: list[tuple[int, int, list[str]]]

    def __init__(self, page: Path, folder: Path, stack: ExitStack) -> None:
        self.edits = []
        self.page, self.folder = page, folder / "work"
        self.folder.mkdir()
        self.count: Counter[str] = Counter()
        self.printed = ""
        self._swaps = {str(PORT): str(free_port())}
        self._hosts: dict[str, str] = {}
        self._seen: list[tuple[Block, Path]] = []
        environ = self._environ(folder)
        for setting in settings(page):
            self._start(setting, stack)
        self.shell = stack.enter_context(Shell(self.folder, environ))

    def _environ(self, folder: Path) -> dict[str, str]:
        home, shims = folder / "home", folder / "bin"
        home.mkdir()
        shims.mkdir()
        for name in ("aftrun", "python", "python3"):
            shim = shims / name
            module = ' -m aftrun "$@"' if name == "aftrun" else ' "$@"'
            shim.write_text(f"#!/bin/sh\nexec {sys.executable}{module}\n", encoding="utf-8")
            shim.chmod(0o755)
        environ = clean_environ(HOME=str(home), TZ="UTC", LANG="C.UTF-8", AFTRUN_SPEED="10")
        environ.pop("XDG_DATA_HOME", None)  # a page has a home of its own, and finds the same things with HOME alone
        environ["AFTRUN_PORT"] = self._swaps[str(PORT)]
        if "PYTHONPATH" in os.environ:
            environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
        return {**environ, "PATH": f"{shims}{os.pathsep}{environ['PATH']}"}

    def _start(self, setting: dict[str, str], stack: ExitStack) -> None:
        scenario = QUICK
        if "scenario" in setting:
            scenario = yaml.safe_load((ROOT / setting["scenario"]).read_text(encoding="utf-8"))
        server = stack.enter_context(Sandbox(parse(scenario), api_key=setting.get("key", "sandbox-key")))
        shown, real = setting["server"].removeprefix("https://"), server.url.removeprefix("https://")
        self._swaps[shown] = real
        self._hosts[shown.partition(":")[0]] = real.partition(":")[0]
        if "pin" in setting:
            self._swaps[setting["pin"]] = server.fingerprint

    def real(self, text: str) -> str:
        """The text with the ports and fingerprints of this reading."""
        for swaps in (self._swaps, self._hosts):
            for shown in sorted(swaps, key=len, reverse=True):
                text = text.replace(shown, swaps[shown])
        return text

    def shown(self, text: str) -> str:
        """The other way round: what was printed, with the ports and fingerprints of the page."""
        for shown, real in self._swaps.items():
            text = text.replace(real, shown)
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    def read(self, block: Block) -> None:
        """Do with a block what its language and its comment say."""
        if "skip" in block.words:
            assert len(block.settings.get("reason", "")) > 8, f"{block.place}: a skip needs a reason"
            self.count["skipped"] += 1
            return
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.real(block.text), encoding="utf-8")
        if "output" in block.words:
            assert agrees(self.real(block.text), self.printed), f"{block.place} shows other than:\n{self.printed}"
            self.count["output"] += 1
        elif self._elsewhere(block):
            check_flags(block)
            self.count["elsewhere"] += 1
        elif block.language in SHELL:
            self._commands(block)
        elif block.language == "yaml":
            self._yaml(block)
        elif block.language == "python":
            self._python(block)
        elif block.language in ("json", "ndjson"):
            for each in [block.text] if block.language == "json" else block.text.splitlines():
                jsonschema.validate(json.loads(each), EVENT if block.language == "ndjson" else {})
            self.count["json"] += 1
        else:
            assert block.language in SHOWN, f"{block.place}: the language {block.language!r} is not checked by anything"
            self.count["shown"] += 1

    def _elsewhere(self, block: Block) -> bool:
        theirs = ELSEWHERE.get(self.page.name)
        if theirs is None:
            return False
        if block.language == "python":
            compile(block.text, block.place, "exec")
            return True
        return block.language in SHELL and theirs.search(block.text) is not None

    def _commands(self, block: Block) -> None:
        found = commands(block)
        for command in found:
            text = self.real(command.text)
            if "background" in block.words:
                code, self.printed = 0, self.shell.serve(text)
                shown, real = PIN.search("\n".join(command.output)), PIN.search(self.printed)
                if shown and real:
                    self._swaps[shown.group()] = real.group()
            else:
                code, self.printed = self.shell.run(text)
            wanted = int(block.settings.get("exit", "0")) if command is found[-1] else code
            assert code == wanted, f"{block.place}: exit code {code} of {command.text}\n{self.printed}"
            shown_text = self.real("\n".join(command.output))
            if shown_text.strip() and not agrees(shown_text, self.printed):
                told = f"{block.place}: $ {command.text}\nshown:\n{shown_text}\nprinted:\n{self.printed}"
                assert WRITE, told
                assert "…" not in shown_text, told
                first = block.line + 1 + command.line + command.text.count("\n")
                self.edits.append((first, first + len(command.output), self.shown(self.printed).splitlines()))
            self.count["commands"] += 1
        self.count["shell"] += 1

    def _yaml(self, block: Block) -> None:
        text = self.real(block.text)
        if "scenario" in block.words:
            parse(yaml.safe_load(text))
        elif "foreign" in block.words or (self.page.name in FOREIGN and not block.title):
            for _ in yaml.safe_load_all(text):
                pass
            check_flags(block)
        else:
            path = self.folder / (block.title or f"block-{block.line}.yaml")
            path.write_text(whole(block, text), encoding="utf-8")
            self._seen.append((block, path))
        self.count["yaml"] += 1

    def _python(self, block: Block) -> None:
        path = self.folder / (block.title or "example.py")
        path.write_text(self.real(block.text), encoding="utf-8")
        code, self.printed = self.shell.run(f"python -W error {path.name}")
        assert code == int(block.settings.get("exit", "0")), f"{block.place}: exit code {code}\n{self.printed}"
        self.count["python"] += 1

    def validate(self) -> None:
        """Let `aftrun validate` look at every manifest of the page."""
        if not self._seen:
            return
        names = [path.name for _, path in self._seen]
        _, text = self.shell.run(f"aftrun validate --format json {' '.join(dict.fromkeys(names))}")
        found: dict[str, list[str]] = {}
        for problem in json.loads(text)["problems"]:
            if problem["code"] != "AFT109":  # blocks of one page may have the same name
                found.setdefault(Path(problem["path"]).name, []).append(f"{problem['code']} {problem['message']}")
        for block, path in self._seen:
            wanted = {
                *filter(None, f"{block.settings.get('warns', '')},{block.settings.get('problem', '')}".split(","))
            }
            codes = {each.partition(" ")[0] for each in found.get(path.name, [])}
            assert codes == wanted, f"{block.place}: {found.get(path.name)}"


def whole(block: Block, text: str) -> str:
    """A manifest of which the block is a part."""
    script = "" if re.search(r"\b(scriptName|scriptId|filePath):", text) else "scriptName: x\n"
    if "job" in block.words:
        return text + script
    if "jobs" in block.words:
        return "jobs:\n" + textwrap.indent(text, "  ")
    if "under" in block.settings:
        text = f"{block.settings['under']}:\n{textwrap.indent(text, '  ')}"
    if "top" in block.words or "under" in block.settings:
        return text if re.search(r"^jobs:", text, re.MULTILINE) else f"{text}jobs: [{{scriptName: x}}]\n"
    return text


def check_flags(block: Block) -> None:
    """Commands in files of others have only flags that there are."""
    helps = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for line in block.text.splitlines():
        called = re.search(r"(?<![\w./'-])aftrun (\w+)((?: +[^|&;]*)?)", line)
        if called is None or f"## aftrun {called.group(1)}\n" not in helps:
            continue
        part = helps.partition(f"## aftrun {called.group(1)}\n")[2].partition("\n## ")[0]
        for flag in re.findall(r"(?<=\s)--[a-z-]+", called.group(2)):
            assert re.search(rf"{flag}\b", part), f"{block.place}: aftrun {called.group(1)} has no flag {flag}"


def rewrite(page: Path, edits: list[tuple[int, int, list[str]]]) -> None:
    """Put what was printed in place of what was shown, from the bottom up."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for first, last, text in sorted(edits, reverse=True):
        lines[first:last] = text
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


WITH_BLOCKS = [page for page in PAGES if page.name != "diagnostics.md" and any(blocks(page))]


@NEEDS_POSIX
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_true(page: Path, tmp_path: Path) -> None:
    """Commands do what the page shows, manifests are valid, programs run, JSON is JSON."""
    with ExitStack() as stack:
        reading = Reading(page, tmp_path, stack)
        if WRITE:
            stack.callback(rewrite, page, reading.edits)
        for block in blocks(page):
            if block.language in SHOWN:
                check_flags(block)
            reading.read(block)
        reading.validate()
    total = sum(reading.count.values()) - reading.count["commands"]
    sys.stdout.write(f"{page.relative_to(ROOT)}: {total} blocks: {dict(reading.count)}\n")


def test_little_is_left_out() -> None:
    """Blocks that are not run are few, and each says why."""
    every = [block for page in PAGES for block in blocks(page)]
    skipped = [block for block in every if "skip" in block.words]
    assert len(every) > 150
    assert len(skipped) <= 12, [f"{block.place}: {block.settings}" for block in skipped]
    assert all(block.settings.get("reason") for block in skipped)
