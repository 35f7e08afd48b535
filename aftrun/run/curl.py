"""A plan as commands for a POSIX shell with curl, to be pasted: secrets stay variables, quoting is the shell's own."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence

from aftrun.domain.text import one_line
from aftrun.domain.values import Outside
from aftrun.run.pieces import RUN_ID, Call, Hole, Piece, Text, holes, said_once

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HARMLESS = re.compile(r"[A-Za-z0-9 :;=,.@%+/_-]*")
"""Text that means itself between double quotes, and inside `${VAR:-…}` there."""

_JSON = r"""aft_json() { # the text as the inside of a JSON string, spelled as aftrun spells it
  printf '%s' "$1" | iconv -f UTF-8 -t UTF-16BE | od -An -v -tx1 | tr -d ' \n' | fold -w 4 | awk '
    BEGIN { for (i = 32; i < 127; i++) c[sprintf("%04x", i)] = sprintf("%c", i)
      c["0022"] = "\\\""; c["005c"] = "\\\\"; c["0008"] = "\\b"; c["0009"] = "\\t"
      c["000a"] = "\\n"; c["000c"] = "\\f"; c["000d"] = "\\r" }
    { if ($0 in c) printf "%s", c[$0]; else printf "\\u%s", $0 }'
}
"""
_READ = r"""aft_read() { # NAME FILE: its text (no NUL) without byte order mark and one line break at the end
  case $({ dd bs=2 count=1 <"$2" | od -An -tx1 | tr -d ' '; } 2>/dev/null) in
    fffe | feff) aft_text=$(iconv -f UTF-16 -t UTF-8 <"$2" && printf x) || return 1 ;;
    *) aft_text=$(cat -- "$2" && printf x) || return 1 ;;
  esac
  aft_text=${aft_text%x}
  aft_text=${aft_text#"$(printf '\357\273\277')"}
  aft_break='
'
  case $aft_text in *"$aft_break") aft_text=${aft_text%"$aft_break"}; aft_text=${aft_text%"$(printf '\r')"} ;; esac
  eval "$1=\$aft_text"
}
"""


def quoted(text: str) -> str:
    """Text as one word of the shell, whatever is in it; `!` does nothing there either."""
    # Two # side by side may begin a command to a CI server that reads the log: between quotes, quotes part them.
    return re.sub(r"#(?=#)", "#''", shlex.quote(text))


class _Block:
    """The commands of one POST."""

    def __init__(self) -> None:
        self.checks: list[str] = []
        self.settings: list[str] = []
        self.reads = False
        self._known: dict[Piece, str] = {}
        self._count = 0

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def variable(self, piece: Outside | Hole) -> str:
        """The expansion of a piece, to stand between double quotes."""
        if piece not in self._known:
            self._known[piece] = self._hole(piece) if isinstance(piece, Hole) else self._outside(piece)
        return self._known[piece]

    def _hole(self, hole: Hole) -> str:
        self.checks.append(f'"${{{hole.variable}?}}"')
        return "$" + hole.variable

    def _outside(self, reference: Outside) -> str:
        optional = reference.default is not None
        name = reference.name
        if reference.source == "env" and not _IDENTIFIER.fullmatch(name):
            name = self._name("e")
            self.settings.append(f"{name}=$(printenv {quoted(reference.name)}{' || :' if optional else ''})")
        elif reference.source == "file":
            name, self.reads = self._name("f"), True
            call = f"aft_read {name} {quoted(reference.name)}"
            self.settings.append(f"{{ {call} 2>/dev/null || {name}=; }}" if optional else call)
        elif reference.source == "keyring":
            name = self._name("k")
            service, _, user = reference.name.rpartition("/")
            call = f"keyring get {quoted(service)} {quoted(user)}"
            self.settings.append(f"{name}=$({call}{' 2>/dev/null || :' if optional else ''})")
        elif not optional:
            self.checks.append(f'"${{{name}{":?" if reference.message is not None else "?"}}}"')
        if reference.default is None:
            return "$" + name
        if _HARMLESS.fullmatch(reference.default):
            return f"${{{name}:-{reference.default}}}"
        default = self._name("d")
        self.settings.append(f"{default}={quoted(reference.default)}")
        return f"${{{name}:-${default}}}"

    def word(self, pieces: Sequence[Piece]) -> str:
        """One word of the command line."""
        if all(isinstance(piece, str) for piece in pieces):
            return quoted("".join(piece for piece in pieces if isinstance(piece, str)))
        if all(not isinstance(piece, str) or _HARMLESS.fullmatch(piece) for piece in pieces):
            inside = "".join(piece if isinstance(piece, str) else self._braced(piece) for piece in pieces)
            return f'"{inside}"'
        return "".join(quoted(piece) if isinstance(piece, str) else f'"{self.variable(piece)}"' for piece in pieces)

    def _braced(self, piece: Outside | Hole) -> str:
        text = self.variable(piece)
        return text if text.startswith("${") else "${" + text[1:] + "}"

    def json(self, parts: Sequence[str | Text]) -> str:
        """The words that make up a JSON text, for `printf '%s'`."""
        words: list[str] = []
        literal = ""
        for part in parts:
            for piece in ('"', *part.pieces, '"') if isinstance(part, Text) else (part,):
                if isinstance(piece, str):
                    inside = isinstance(part, Text) and piece != '"'
                    literal += json.dumps(piece)[1:-1] if inside else piece
                    continue
                inner = f'"{self.variable(piece)}"'
                name = self._name("v")
                self.settings.append(f"{name}=$(aft_json {inner})")
                words += [quoted(literal), f'"${name}"']
                literal = ""
        return " ".join([*words, quoted(literal)])


def _tls(call: Call, block: _Block) -> tuple[list[str], list[str]]:
    """Comments, and flags."""
    tls = call.server.tls
    notes, flags = [], []
    if call.ca_file is not None:
        flags.append(f"--cacert {block.word(call.ca_file)}")
    if call.cert_file is not None:
        flags.append(f"--cert {block.word(call.cert_file)}")
        flags += [f"--key {block.word(call.key_file)}"] if call.key_file is not None else []
    if tls.insecure:
        notes.append("# insecure: true in the manifest: the certificate is NOT verified.")
        flags.append("--insecure")
    if tls.fingerprints:
        notes += [
            "# The manifest pins the certificate's fingerprint, for which curl has no flag. Save the certificate,",
            "# compare its fingerprint with the manifest's, and add --cacert aft.pem to each command for this server:",
            "#   openssl s_client -connect HOST:PORT </dev/null 2>/dev/null | openssl x509 -out aft.pem",
            "#   openssl x509 -in aft.pem -noout -fingerprint -sha256",
        ]
    if call.key_is_literal:
        notes.append("# The API key that stands in the manifest is not repeated here: set AFT_API_KEY.")
    return notes, flags


def _command(call: Call, once: Callable[[Call, list[str]], list[str]]) -> tuple[list[str], bool]:
    block = _Block()
    words = block.json(call.body)
    notes, flags = _tls(call, block)
    if call.loopback:
        flags.append("--noproxy '*'")
    headers = [f"-H {_header(block, name, pieces)}" for name, pieces in call.headers]
    if len(call.url) == 1 and isinstance(call.url[0], str):
        url = quoted(call.url[0] + call.server.submit_path)
    else:
        word = block.word(call.url)
        block.settings.append(f"url=$(printf '%s' {word} | sed 's|/*$||')")
        path = call.server.submit_path
        url = f'"$url{path}"' if _HARMLESS.fullmatch(path) else f'"$url"{quoted(path)}'
    chain = [f": {' '.join(dict.fromkeys(block.checks))}"] if block.checks else []
    chain += block.settings
    flags = ["-sS --fail-with-body --globoff", *flags, *headers, "-H 'Content-Type: application/json'"]
    lines = [f"# {one_line(call.title)}", *once(call, notes), "("]
    lines += [f"  {each} &&" for each in chain]
    lines.append(f"  printf '%s' {words} |")
    lines.append("    curl " + " \\\n      ".join([*flags, "-w '\\n' --data-binary @- " + url]))
    lines.append(")")
    return lines, block.reads


def _header(block: _Block, name: str, pieces: Sequence[Piece]) -> str:
    if not pieces:
        return quoted(name + ";")  # curl's way to send a header without a value
    if isinstance(pieces[0], str):
        return block.word((f"{name}: {pieces[0]}", *pieces[1:]))
    text = block.variable(pieces[0]) if len(pieces) == 1 else ""
    return f'"{name}: {text}"' if text else block.word((f"{name}: ", *pieces))


def to_curl(found: Sequence[Call]) -> str:
    """The plan as a script for any POSIX shell."""
    once = said_once()
    blocks = [_command(call, once) for call in found]
    count = len(found)
    lines = [
        f"# {count} request{'' if count == 1 else 's'}, in the order in which aftrun would start them.",
        "# Unlike `aftrun apply`, this waits for no job to end, and sends again whatever you paste again.",
    ]
    for hole in holes(found):
        if hole == RUN_ID:
            lines.append(f"{hole.variable}=$(date +%Y%m%d-%H%M%S)-curl")
        else:
            lines.append(f"# Set {hole.variable} to {one_line(hole.meaning)}, which an earlier answer tells.")
    if any(isinstance(part, Text) for call in found for part in call.body):
        lines.append(_JSON.rstrip("\n"))
    if any(reads for _, reads in blocks):
        lines.append(_READ.rstrip("\n"))
    for block, _ in blocks:
        lines += ["", *block]
    return "\n".join(lines) + "\n"
