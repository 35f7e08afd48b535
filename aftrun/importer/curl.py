"""A `curl` command line → the request that it would send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from aftrun.importer.pieces import Notebook, Request, Tls, Trouble, Word, has_reference, sole_reference, variable

_SHORT_WITH_VALUE = dict(
    zip(
        "XHduEAeomxTFbcKwrtQPYyzCDU",
        (
            *("request", "header", "data", "user", "cert", "user-agent", "referer", "output", "max-time", "proxy"),
            *("upload-file", "form", "cookie", "cookie-jar", "config", "write-out", "range", "telnet-option", "quote"),
            *("ftp-port", "speed-limit", "speed-time", "time-cond", "continue-at", "dump-header", "proxy-user"),
        ),
        strict=True,
    )
)
_SHORT_FLAGS = {
    "k": "insecure",
    "s": "silent",
    "S": "show-error",
    "v": "verbose",
    "i": "include",
    "f": "fail",
    "L": "location",
    "g": "globoff",
    "N": "no-buffer",
    "q": "disable",
    "#": "progress-bar",
    "4": "ipv4",
    "6": "ipv6",
    "0": "http1.0",
    "1": "tlsv1",
    "2": "sslv2",
    "3": "sslv3",
    "O": "remote-name",
    "G": "get",
    "I": "head",
    "j": "junk-session-cookies",
    "a": "append",
    "n": "netrc",
    "J": "remote-header-name",
    "R": "remote-time",
    "Z": "parallel",
    ":": "next",
}
_DROPPED_FLAGS = {
    *("silent", "show-error", "verbose", "include", "fail", "fail-with-body", "fail-early", "globoff", "no-buffer"),
    *("disable", "progress-bar", "ipv4", "ipv6", "http1.0", "http1.1", "http2", "http2-prior-knowledge", "tlsv1"),
    *("tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3", "remote-name", "compressed", "no-progress-meter", "no-keepalive"),
    *(
        "tcp-nodelay",
        "ssl-no-revoke",
        "no-alpn",
        "no-sessionid",
        "path-as-is",
        "raw",
        "styled-output",
        "netrc-optional",
    ),
    *("retry-connrefused", "retry-all-errors", "create-dirs", "no-silent", "no-verbose", "remote-time", "ssl-reqd"),
}
_DROPPED_WITH_VALUE = {
    *("output", "write-out", "user-agent", "referer", "dump-header", "retry", "retry-delay", "retry-max-time"),
    *("stderr", "trace", "trace-ascii", "keepalive-time", "limit-rate", "speed-limit", "speed-time", "ciphers"),
    *("tls-max", "tls13-ciphers", "expect100-timeout", "cookie-jar", "noproxy", "output-dir"),
}
_WITH_VALUE = {
    *("request", "header", "data", "data-ascii", "data-raw", "data-binary", "json", "user", "cert", "key", "cacert"),
    *("url", "config", "connect-timeout", "max-time", "proxy", "cert-type", "key-type", "pass", "capath"),
    *("data-urlencode", "form", "form-string", "upload-file", "cookie", "resolve", "connect-to", "interface"),
    *("unix-socket", "pinnedpubkey", "proxy-user", "oauth2-bearer", "variable", "url-query", "range", "time-cond"),
    *("continue-at", "quote", "telnet-option", "ftp-port", "aws-sigv4", "max-redirs", "preproxy", "socks5"),
    *("socks5-hostname", "doh-url", "dns-servers", "local-port", "crlfile", "engine", "netrc-file", "request-target"),
}
_REMARKS = {
    **dict.fromkeys(("retry", "retry-delay", "retry-max-time"), "aftrun repeats by itself what is safe to repeat"),
    **dict.fromkeys(("proxy", "noproxy"), "set https_proxy or NO_PROXY in the environment"),
    "pinnedpubkey": "it pins a key, and aftrun pins certificates: `aftrun trust URL` prints the line",
}
_UNREADABLE = {
    "data-urlencode": "it sends a form, and the API takes JSON",
    "form": "it sends a form, and the API takes JSON",
    "form-string": "it sends a form, and the API takes JSON",
    "upload-file": "it uploads a file, and the API takes JSON",
    "get": "it turns the body into a part of the URL",
    "head": "it is no POST",
    "cookie": "the API uses no cookies",
    "unix-socket": "aftrun connects by address only",
    "variable": "aftrun does not know curl's own variables",
    "url-query": "the API's URL has no query",
    "request-target": "the API's path is fixed",
    "netrc": "the key belongs into AFT_API_KEY",
    "netrc-file": "the key belongs into AFT_API_KEY",
    "aws-sigv4": "the API does not use it",
}


@dataclass(slots=True)
class _Draft:
    """A request as far as its options have been read."""

    method: str = ""
    url: Word | None = None
    headers: list[tuple[str, Word]] = field(default_factory=list)
    data: list[tuple[str, int]] = field(default_factory=list)
    is_json: bool = False
    tls: Tls = field(default_factory=Tls)
    connect_timeout: str = ""
    read_timeout: str = ""


class Curl:
    """Reads the arguments of one `curl`. `stdin` is what a here-document or a pipe gives it."""

    def __init__(self, notebook: Notebook, offset: int, stdin: Word | None = None) -> None:
        self._notebook, self._offset, self._stdin = notebook, offset, stdin
        self._drafts = [_Draft()]

    def read(self, arguments: Sequence[Word]) -> list[Request]:
        """The requests, one for each part between `--next`.

        Raises:
            Trouble: an option that matters cannot be read.
        """
        self._arguments(list(arguments))
        return [self._request(draft) for draft in self._drafts]

    def _arguments(self, words: list[Word]) -> None:
        words.reverse()
        while words:
            word = words.pop()
            text = word.text
            if text.startswith("--") and len(text) > 2:
                name = text[2:]
                value = words.pop() if self._takes_value(name) and words else None
                self._option(name, value, word)
            elif text.startswith("-") and len(text) > 1:
                self._shorts(word, words)
            elif text != "-":
                self._url(word)

    @staticmethod
    def _takes_value(name: str) -> bool:
        return name in _WITH_VALUE or name in _DROPPED_WITH_VALUE

    def _shorts(self, word: Word, words: list[Word]) -> None:
        letters = word.text[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _SHORT_WITH_VALUE:
                value = Word(letters, word.offset) if letters else words.pop() if words else None
                self._option(_SHORT_WITH_VALUE[letter], value, word)
                return
            if letter not in _SHORT_FLAGS:
                raise Trouble(f"curl's option -{letter} is not known here", word.offset, "leave it out if it can be")
            self._option(_SHORT_FLAGS[letter], None, word)

    def _option(self, name: str, value: Word | None, word: Word) -> None:
        draft, at = self._drafts[-1], word.offset
        if self._takes_value(name) and value is None:
            raise Trouble(f"curl's option --{name} has no value", at)
        if name in _UNREADABLE:
            raise Trouble(f"curl's option --{name} cannot be translated: {_UNREADABLE[name]}", at)
        if name == "next":
            self._drafts.append(_Draft())
        elif name in ("insecure", "no-insecure"):
            draft.tls = replace(draft.tls, insecure=name == "insecure")
        elif name in ("location", "location-trusted"):
            self._notebook.remark(at, "-L is left out: aftrun follows no redirects, so that the key stays where it is")
        elif name in _DROPPED_FLAGS:
            pass
        elif value is None:
            raise Trouble(f"curl's option --{name} is not known here", at, "leave it out if it can be")
        else:
            self._valued(draft, name, value)

    def _valued(self, draft: _Draft, name: str, value: Word) -> None:
        if name in ("data", "data-ascii", "data-raw", "data-binary", "json"):
            draft.is_json = draft.is_json or name == "json"
            draft.data.append((self._data(name, value), value.offset))
        elif name in _REMARKS:
            self._notebook.remark(value.offset, f"--{name} is left out: {_REMARKS[name]}")
        elif name in ("cacert", "cert", "key"):
            self._certificate(draft, name, value)
        elif name in ("connect-timeout", "max-time"):
            self._time(draft, name, value)
        elif name == "request":
            draft.method = value.text
        elif name == "oauth2-bearer":
            draft.headers.append(("Authorization", Word(f"Bearer {value.text}", value.offset)))
        elif name in ("url", "config"):
            (self._url if name == "url" else self._config)(value)
        elif name in ("header", "user"):
            (self._header if name == "header" else self._user)(draft, value)
        elif name not in _DROPPED_WITH_VALUE:
            raise Trouble(f"curl's option --{name} cannot be translated", value.offset, "leave it out if it can be")

    def _url(self, word: Word) -> None:
        draft = self._drafts[-1]
        if draft.url is not None:
            raise Trouble(
                "this command has two URLs", word.offset, "one command starts one job; use --next or two lines"
            )
        draft.url = word

    def _header(self, draft: _Draft, value: Word) -> None:
        if value.text.startswith("@"):
            text = self._notebook.file(value.text[1:], value.offset)
            for line in text.splitlines():
                if line.strip():
                    self._header(draft, Word(line, value.offset))
            return
        name, colon, rest = value.text.partition(":")
        if has_reference(name):
            # `-H "$AUTH_HEADER"`: name and value are both in the variable.
            raise Trouble("this header is in a variable, name and all", value.offset, "write its name out")
        if not colon:
            return  # `Name;` is an empty header, and matters to nobody here
        draft.headers.append((name.strip(), Word(rest.strip(), value.offset)))

    def _data(self, name: str, value: Word) -> str:
        text = value.text
        if not text.startswith("@") or name == "data-raw":
            return text
        if text == "@-":
            if self._stdin is None:
                raise Trouble("the body comes from standard input, which is not here", value.offset)
            found = sole_reference(self._stdin.text)
            content = self._stdin.text
            if found.startswith("${file:"):
                content = self._notebook.file(found[len("${file:") : -1], value.offset)
        else:
            content = self._notebook.file(text[1:], value.offset)
        return re.sub(r"[\r\n\0]", "", content) if name in ("data", "data-ascii") else content

    def _user(self, draft: _Draft, value: Word) -> None:
        name = variable("AFT_AUTHORIZATION")
        draft.headers.append(("Authorization", Word(name, value.offset)))
        self._notebook.remark(
            value.offset,
            "user and password of -u are not copied: set AFT_AUTHORIZATION to 'Basic ' and the base64 of USER:PASSWORD",
        )

    def _certificate(self, draft: _Draft, name: str, value: Word) -> None:
        text = value.text
        if name == "cert" and re.search(r"[^\\]:[^\\/]", text) and not re.match(r"[A-Za-z]:[\\/]", text):
            text = text.rpartition(":")[0]
            self._notebook.remark(value.offset, "the password of --cert is not copied: aftrun takes unencrypted keys")
        field_name = {"cacert": "ca_file", "cert": "cert_file", "key": "key_file"}[name]
        draft.tls = replace(draft.tls, **{field_name: text})  # type: ignore[arg-type]  # these three are text

    def _time(self, draft: _Draft, name: str, value: Word) -> None:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value.text) or float(value.text) <= 0:
            raise Trouble(f"the value of --{name} is no number of seconds", value.offset)
        if name == "connect-timeout":
            draft.connect_timeout = f"{value.text}s"
        else:
            draft.read_timeout = f"{value.text}s"

    # --- -K -------------------------------------------------------------------------------------------------------

    def _config(self, value: Word) -> None:
        """A config file: an option a line, `name = "value"`, with or without dashes."""
        if value.text == "-":
            if self._stdin is None:
                raise Trouble("the options come from standard input, which is not here", value.offset)
            text = self._stdin.text
        else:
            text = self._notebook.file(value.text, value.offset)
        words: list[Word] = []
        for line in text.splitlines():
            words += config_line(line, value.offset)
        self._arguments(words)

    def _request(self, draft: _Draft) -> Request:
        if draft.url is None:
            raise Trouble("this curl has no URL", self._offset)
        body = None
        if draft.data:
            joined = ("" if draft.is_json else "&").join(text for text, _ in draft.data)
            body = Word(joined, draft.data[0][1])
        if draft.is_json and not any(name.lower() == "content-type" for name, _ in draft.headers):
            draft.headers.append(("Content-Type", Word("application/json", self._offset)))
        return Request(
            method=draft.method or ("POST" if body is not None else "GET"),
            url=draft.url,
            headers=tuple(draft.headers),
            body=body,
            tls=draft.tls,
            connect_timeout=draft.connect_timeout,
            read_timeout=draft.read_timeout,
        )


def config_line(line: str, offset: int) -> list[Word]:
    """One line of a curl config file as words.

    Raises:
        Trouble: its quotes are not closed.
    """
    line = line.strip()
    if not line or line.startswith("#"):
        return []
    match = re.match(r"(-{0,2}[A-Za-z0-9.#-]+)\s*(?:[=:]\s*|\s+|$)(.*)", line)
    if match is None:
        raise Trouble("a line of the config file cannot be read", offset)
    name, rest = match.group(1), match.group(2)
    if not name.startswith("-"):
        name = f"--{name}" if len(name) > 1 else f"-{name}"
    words = [Word(name, offset)]
    if rest.startswith('"'):
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"', rest)
        if quoted is None:
            raise Trouble("a quote in the config file is never closed", offset)
        escapes = {"n": "\n", "t": "\t", "r": "\r", "v": "\v"}
        words.append(Word(re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), quoted.group(1)), offset))
    elif rest and not rest.startswith("#"):
        words.append(Word(rest.split()[0] if not rest.startswith("{") else rest, offset))
    return words
