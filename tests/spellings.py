"""Awkward secrets, and the spellings in which an echo may give them back."""

from __future__ import annotations

import base64
import binascii
import csv
import html
import io
import json
import quopri
import re
import shlex
import textwrap
import unicodedata
import urllib.parse
import xml.sax.saxutils as sax
from collections.abc import Callable, Mapping

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDx7Qa1bW0\n-----END KEY-----"
SECRETS = (
    "plain0815token", "aB3$xY9!", "hunter2hunter2", "with blank inside", "  padded both sides  ", "tab\tinside\there",
    "two\nlines of secret", "windows\r\nlines here", PEM, 'double"quote"inside', "single'quote'inside",
    "back\\slash\\path", "C:\\new\\table\\root", "ends with slash\\", "$HOME and $(id)", "`ticks` and more",
    "a+b+c+d+e+f", "50%off%25today", "a&b&amp;c&lt;d", "<script>alert(1)</script>", "pässwörd-ünïcode",
    "пароль-секрет", "密码是秘密的", "emoji😀key😀here", "null\x00inside\x00it", "esc\x1b[31mred\x1b[0m", "=+/=+/==abc",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVm",
    "postgres://user:p%40ss@host/db", "0123456789", "deadbeefcafe", "x" * 300, "ab" * 2100, '{"key": "value-0815"}',
    "aaaa", "k-0815", "\\u0041\\x42literal", "%41%42literal", "quote\\\"mix\\'ed",
)  # fmt: skip
"""Forty of them."""


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _url(text: str) -> str:
    return urllib.parse.quote(text.encode("utf-8", "surrogateescape"), safe="")


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _each(form: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(map(form, text))


def _bytes(form: Callable[[int], str], between: str = "") -> Callable[[str], str]:
    return lambda text: between.join(form(byte) for byte in text.encode())


def _csv(text: str) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([text])
    return out.getvalue().strip()


def _dotnet(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 ]", lambda match: f"\\u{ord(match.group()):04X}", text.replace("😀", "\ud83d\ude00"))


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "upper case": str.upper,
    "lower case": str.lower,
    "JSON": _json,
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON with slashes escaped": lambda text: _json(text).replace("/", "\\/"),
    "JSON in JSON": lambda text: _json(_json(text)),
    "JSON in JSON in JSON": lambda text: _json(_json(_json(text))),
    "JSON of .NET": _dotnet,
    "JSON of Go": lambda text: _json(text).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "unicode_escape": lambda text: text.encode("unicode_escape").decode(),
    "ES6": _each(lambda char: f"\\u{{{ord(char):x}}}"),
    "C, octal": _bytes(lambda byte: f"\\{byte:03o}" if byte < 128 else f"%{byte:02x}"),
    "C, hex": _bytes(lambda byte: f"%{byte:02x}"),
    "URL": _url,
    "URL, lower case": lambda text: re.sub("%..", lambda match: match.group().lower(), _url(text)),
    "URL, twice": lambda text: _url(_url(text)),
    "URL, three times": lambda text: _url(_url(_url(text))),
    "URL, slashes kept": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "form, twice": lambda text: urllib.parse.quote_plus(urllib.parse.quote_plus(text)),
    "encodeURIComponent": lambda text: urllib.parse.quote(text, safe="!'()*~"),
    "every byte in percent": _bytes(lambda byte: f"%{byte:02X}"),
    "URL in JSON": lambda text: _json(_url(text)),
    "JSON in URL": lambda text: _url(_json(text)),
    "HTML": html.escape,
    "HTML, text only": lambda text: html.escape(text, quote=False),
    "HTML, twice": lambda text: html.escape(html.escape(text)),
    "HTML in JSON": lambda text: _json(html.escape(text)),
    "JSON in HTML": lambda text: html.escape(_json(text)),
    "HTML in URL": lambda text: _url(html.escape(text)),
    "XML": sax.escape,
    "XML attribute": lambda text: sax.quoteattr(text)[1:-1],
    "decimal entities": _each(lambda char: f"&#{ord(char)};"),
    "hex entities": _each(lambda char: f"&#x{ord(char):X};"),
    "padded entities": _each(lambda char: f"&#x{ord(char):06x};"),
    "entities for what is not ASCII": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
    "base64": _b64,
    "base64, in the middle": lambda text: _b64(f"user:{text}:x"),
    "base64, one further": lambda text: _b64(f"u{text}x"),
    "base64, two further": lambda text: _b64(f"us{text}x"),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64, no padding": lambda text: _b64(text).rstrip("="),
    "base64, 76 columns": lambda text: base64.encodebytes(f"ab{text}".encode()).decode(),
    "base64, 64 columns": lambda text: "\n".join(textwrap.wrap(_b64(f"ab{text}"), 64)),
    "base64, 76 columns, CRLF": lambda text: base64.encodebytes(text.encode()).decode().replace("\n", "\r\n"),
    "base64, 76 columns, in JSON": lambda text: _json(base64.encodebytes(text.encode()).decode()),
    "base64, 76 columns, in a header": lambda text: base64.encodebytes(text.encode()).decode().replace("\n", " "),
    "base64, indented": lambda text: textwrap.indent(base64.encodebytes(text.encode()).decode(), "    "),
    "base64 in URL": lambda text: _url(_b64(text)),
    "base64 in JSON of PHP": lambda text: _b64(text).replace("/", "\\/"),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 of UTF-8 with a mark": lambda text: base64.b64encode(b"\xef\xbb\xbf" + text.encode()).decode(),
    "Basic": lambda text: _b64(f"api:{text}"),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32, lower case": lambda text: base64.b32encode(text.encode()).decode().lower(),
    "hex": lambda text: text.encode().hex(),
    "hex, upper case": lambda text: text.encode().hex().upper(),
    "hex with colons": lambda text: text.encode().hex(":"),
    "hex with blanks": lambda text: text.encode().hex(" "),
    "hex with 0x": _bytes(lambda byte: f"0x{byte:02x}", ", "),
    "hex, in lines": lambda text: "\n".join(textwrap.wrap(text.encode().hex(), 32)),
    "hex of UTF-16": lambda text: text.encode("utf-16-be").hex(),
    "hexlify": lambda text: binascii.hexlify(f"x{text}y".encode()).decode(),
    "list of bytes": _bytes(str, ", "),
    "JSON list of bytes": lambda text: json.dumps(list(text.encode())),
    "JSON list of bytes, indented": lambda text: json.dumps(list(text.encode()), indent=2),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "quoted-printable, all": _bytes(lambda byte: f"={byte:02X}"),
    "shell": shlex.quote,
    "shell, closed and opened": lambda text: "'" + text.replace("'", "'\\''") + "'",
    "shell, in double quotes": lambda text: re.sub(r'(["\\$`])', r"\\\1", text),
    "shell twice": lambda text: shlex.quote(shlex.quote(text)),
    "shell, ANSI": lambda text: "$'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'",
    "SQL": lambda text: "'" + text.replace("'", "''") + "'",
    "SQL of MySQL": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
    "PowerShell, double": lambda text: re.sub(r'([`"$])', r"`\1", text),
    "PowerShell, single": lambda text: "'" + text.replace("'", "''") + "'",
    "cmd": lambda text: re.sub(r"([&<>|^%])", r"^\1", text) if "%" not in text else text,
    "CSV": _csv,
    "regular expression": re.escape,
    "one line": lambda text: " ".join(text.split()),
    "three blanks": lambda text: "   ".join(text.split(" ")),
    "CRLF": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
    "indented": lambda text: textwrap.indent(text, "    "),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "in a tag": lambda text: f"<k>{text}</k>",
    "in quotes": lambda text: f'"{text}"',
}  # fmt: skip
