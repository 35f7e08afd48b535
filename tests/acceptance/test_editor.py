"""What an editor makes of the schema: the YAML language server of VS Code, spoken to as an editor speaks to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.waiting import HANG

SCHEMA = ROOT / "schemas" / "manifest.schema.json"
VERSION = "2.0.0"

Message = dict[str, Any]


def _installed() -> Path:
    """The language server from npm, kept in a folder for temporary files."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        if os.environ.get("CI"):
            pytest.fail("npm is missing, and CI must check what editors make of the schema")
        pytest.skip("npm is not installed, so the YAML language server cannot be fetched")
    folder = Path(tempfile.gettempdir()) / "aftrun-test-npm" / "yaml"
    script = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        package = f"yaml-language-server@{VERSION}"
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), package]
        subprocess.run(command, check=True, capture_output=True, timeout=HANG)
    return script


class Editor:
    """An editor with the language server behind it."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            ["node", str(script), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.diagnostics: dict[str, list[Message]] = {}
        self.count = self.opened = 0
        capabilities = {
            "textDocument": {"completion": {}, "hover": {}, "publishDiagnostics": {}},
            "workspace": {"configuration": True},
        }
        self.request("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities})
        self.send({"method": "initialized", "params": {}})

    def send(self, message: Message) -> None:
        """One message to the server."""
        assert self.process.stdin is not None
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.process.stdin.flush()

    def receive(self) -> Message:
        """One message from the server; its questions are answered on the way."""
        assert self.process.stdout is not None
        length = 0
        while (line := self.process.stdout.readline()) != b"\r\n":
            assert line, "the language server has ended"
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        message: Message = json.loads(self.process.stdout.read(length))
        if message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif message.get("method") == "workspace/configuration":
            on = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}
            self.send({"id": message["id"], "result": [on for _ in message["params"]["items"]]})
        elif "method" in message and "id" in message:
            self.send({"id": message["id"], "result": None})
        return message

    def request(self, method: str, params: Message) -> Any:
        """Ask, and wait for the answer."""
        self.count += 1
        self.send({"id": self.count, "method": method, "params": params})
        while True:
            message = self.receive()
            if message.get("id") == self.count and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def open(self, text: str) -> str:
        """Open a manifest that names the schema; returns its URI. Line 0 is the schema's."""
        self.opened += 1
        uri = (self.folder / f"m{self.opened}.yaml").as_uri()
        text = f"# yaml-language-server: $schema={SCHEMA.as_uri()}\n{text}"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def at(self, method: str, uri: str, line: int, column: int) -> Any:
        """Ask about a place, counted from 0."""
        params = {"textDocument": {"uri": uri}, "position": {"line": line, "character": column}}
        return self.request(f"textDocument/{method}", params)

    def complaints(self, uri: str) -> list[tuple[int, int, str]]:
        """Line, column (from 0) and message of everything that the server flags."""
        while uri not in self.diagnostics:
            self.receive()
        return [
            (each["range"]["start"]["line"], each["range"]["start"]["character"], each["message"])
            for each in self.diagnostics[uri]
        ]

    def close(self) -> None:
        """End the server."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """One editor for all tests: the server takes a second to start."""
    started = Editor(_installed(), tmp_path_factory.mktemp("editor"))
    yield started
    started.close()


def test_completion_of_job_keys(editor: Editor) -> None:
    """Every key of a job is offered, with its description; those that are there already are not."""
    uri = editor.open("jobs:\n  - scriptName: z\n    \n")
    items = {item["label"]: item for item in editor.at("completion", uri, 3, 4)["items"]}
    known = set(json.loads(SCHEMA.read_text())["$defs"]["job"]["properties"])
    assert set(items) == known - {"scriptName"}
    assert items["timeout"]["documentation"]


def test_completion_of_values(editor: Editor) -> None:
    """The words that a key takes are offered."""
    uri = editor.open("jobs:\n  - scriptName: z\n    when: \n")
    labels = {item["label"] for item in editor.at("completion", uri, 3, 10)["items"]}
    assert {"success", "failure", "always"} <= labels


def test_hover(editor: Editor) -> None:
    """A key explains itself, with an example."""
    uri = editor.open("jobs:\n  - filePath: /opt/scripts/load.syncjs\n")
    hover = editor.at("hover", uri, 2, 6)
    assert "Path of a .syncjs file on the server's disk." in hover["contents"]["value"]
    assert "/opt/scripts/load.syncjs" in hover["contents"]["value"]
    assert hover["range"] == {"start": {"line": 2, "character": 4}, "end": {"line": 2, "character": 12}}


def test_exactly_one_selector(editor: Editor) -> None:
    """A job with two scripts, and one with none, are flagged at their beginnings, and the good one is not."""
    uri = editor.open("jobs:\n  - scriptName: fine\n  - filePath: /x.syncjs\n    scriptName: y\n  - name: none\n")
    found = editor.complaints(uri)
    assert [(line, column) for line, column, _ in found] == [(3, 4), (5, 4)]
    assert "only one must validate" in found[0][2]
    assert "scriptName" in found[1][2]


def test_other_mistakes(editor: Editor) -> None:
    """Unknown keys, wrong words and wrong types are flagged where they stand."""
    uri = editor.open("jobs:\n  - scriptName: x\n    timeuot: 2h\n    when: sometimes\n    params: {a: [1]}\n")
    assert [(line, column) for line, column, _ in sorted(editor.complaints(uri))] == [(3, 4), (4, 10), (5, 16)]


@pytest.mark.parametrize("path", sorted((ROOT / "manifests").glob("*.yaml")), ids=lambda path: path.stem)
def test_our_own_manifests(editor: Editor, path: Path) -> None:
    """The manifests that ship are without complaint."""
    assert editor.complaints(editor.open(path.read_text(encoding="utf-8"))) == []
