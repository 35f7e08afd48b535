"""A plan as commands for PowerShell, to be pasted: secrets stay variables, quoting is PowerShell's own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from aftrun.domain.text import escaped_json, one_line
from aftrun.domain.values import Outside
from aftrun.run.pieces import RUN_ID, Call, Hole, Piece, Text, holes, said_once

_PLAIN = re.compile(r"[ -~]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def quoted(text: str) -> str:
    """Text as an expression that means just that text.

    Only printable ASCII stands between quotes: PowerShell takes typographic quotes for quotes, and older versions
    read scripts in the code page of the machine.
    """
    if _PLAIN.fullmatch(text) and "##" not in text:  # which may begin a command to a CI server that reads the log
        return "'" + text.replace("'", "''") + "'"
    return "(ConvertFrom-Json '" + escaped_json(json.dumps(text)).replace("'", "''") + "')"


class _Block:
    """The commands of one POST."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: dict[Piece, str] = {}
        self._count = 0

    def variable(self, piece: Outside | Hole) -> str:
        """The expression for a piece."""
        if piece not in self._known:
            self._known[piece] = self._hole(piece) if isinstance(piece, Hole) else self._outside(piece)
        return self._known[piece]

    def _require(self, expression: str, what: str, *, empty: bool = False) -> None:
        test = f"-not {expression}" if empty else f"$null -eq {expression}"
        self.lines.append(f"if ({test}) {{ throw {quoted(what + ' is not set')} }}")

    def _hole(self, hole: Hole) -> str:
        expression = "$AftRunId" if hole == RUN_ID else f"$env:{hole.variable}"
        self._require(expression, hole.variable if hole != RUN_ID else "AftRunId")
        return expression

    def _outside(self, reference: Outside) -> str:
        optional = reference.default is not None
        if reference.source == "env":
            name = reference.name
            expression = f"$env:{name}" if _IDENTIFIER.fullmatch(name) else "${env:" + name.replace("}", "`}") + "}"
            if not optional:
                what = f"the environment variable {name}"
                self._require(expression, what, empty=reference.message is not None)
        else:
            self._count += 1
            expression = f"$v{self._count}"
            self.lines.append(f"{expression} = {self._fetched(reference, optional)}")
        if not optional:
            return expression
        return f"$(if ({expression}) {{ {expression} }} else {{ {quoted(reference.default or '')} }})"

    @staticmethod
    def _fetched(reference: Outside, optional: bool) -> str:
        if reference.source == "file":
            path = quoted(reference.name)
            whole = f"(Resolve-Path -LiteralPath {path} -ErrorAction Stop).Path"
            read = rf"[IO.File]::ReadAllText({whole}) -replace '\r?\n\z', ''"
            return f"if (Test-Path -LiteralPath {path}) {{ {read} }}" if optional else read
        service, _, user = reference.name.rpartition("/")
        return f"keyring get {quoted(service)} {quoted(user)}"

    def text(self, pieces: Sequence[Piece]) -> str:
        """A text as an expression."""
        parts = [quoted(piece) if isinstance(piece, str) else self.variable(piece) for piece in pieces]
        if len(parts) == 1:
            return parts[0]
        return "(" + " + ".join(parts) + ")" if parts else "''"

    def json(self, text: Text) -> str:
        """A JSON string as an expression."""
        return f"(ConvertTo-Json -Compress ([string]{self.text(text.pieces)}))"


def _notes(call: Call) -> list[str]:
    tls = call.server.tls
    notes = []
    if call.ca_file is not None or tls.fingerprints:
        what = "trusts the certificate in caFile" if call.ca_file is not None else "pins the certificate's fingerprint"
        notes += [
            f"# The manifest {what}, for which Invoke-RestMethod has no parameter. Compare the",
            "# certificate's fingerprint with the one that you expect, then import it, as the user who runs this:",
            r"#   Import-Certificate -FilePath aft.pem -CertStoreLocation Cert:\CurrentUser\Root",
        ]
    if tls.insecure:
        notes.append("# insecure: true in the manifest: the certificate is NOT verified (needs PowerShell 7).")
    if call.cert_file is not None:
        notes.append("# The client certificate needs PowerShell 7.")
    if call.key_is_literal:
        notes.append("# The API key that stands in the manifest is not repeated here: set AFT_API_KEY.")
    return notes


def _command(call: Call, once: Callable[[Call, list[str]], list[str]]) -> list[str]:
    block = _Block()
    body = " + ".join(quoted(part) if isinstance(part, str) else block.json(part) for part in call.body)
    headers = "; ".join(f"{quoted(name)} = {block.text(pieces)}" for name, pieces in call.headers)
    if len(call.url) == 1 and isinstance(call.url[0], str):
        url = quoted(call.url[0] + call.server.submit_path)
    else:
        url = f"([string]{block.text(call.url)}).TrimEnd('/') + {quoted(call.server.submit_path)}"
        url = f"({url})"
    flags = ["-Method Post", f"-Uri {url}", f"-Headers @{{ {headers} }}", "-ContentType 'application/json'"]
    flags += ["-Body ([Text.Encoding]::UTF8.GetBytes($body))", "-MaximumRedirection 0"]
    if call.cert_file is not None:
        both = ", ".join(block.text(path) for path in (call.cert_file, call.key_file) if path is not None)
        flags.append(
            f"-Certificate ([Security.Cryptography.X509Certificates.X509Certificate2]::CreateFromPemFile({both}))"
        )
    if call.server.tls.insecure:
        flags.append("-SkipCertificateCheck")
    title = one_line(call.title)
    lines = [f"# {title}", *once(call, _notes(call)), "& {"]
    lines += [f"  {line}" for line in block.lines]
    lines.append(f"  $body = {body}")
    lines.append("  Invoke-RestMethod " + " `\n    ".join(flags))
    lines.append("}")
    return lines


def to_powershell(found: Sequence[Call]) -> str:
    """The plan as a PowerShell script."""
    count = len(found)
    lines = [
        f"# {count} request{'' if count == 1 else 's'}, in the order in which aftrun would start them.",
        "# Unlike `aftrun apply`, this waits for no job to end, and sends again whatever you paste again.",
    ]
    for hole in holes(found):
        if hole == RUN_ID:
            lines.append("$AftRunId = (Get-Date -Format 'yyyyMMdd-HHmmss') + '-powershell'")
        else:
            lines.append(f"# Set $env:{hole.variable} to {hole.meaning}, which an earlier answer tells.")
    once = said_once()
    for call in found:
        lines += ["", *_command(call, once)]
    return "\n".join(lines) + "\n"
