"""The arguments of a `curl` → the requests that it would send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aftrun.domain.frozen import replace
from aftrun.importer.found import Notebook, Request, Tls, Trouble, Word, words
from aftrun.importer.marks import has_mark, reference, sole, unknown

_SHORT = {
    "X": "request",
    "H": "header",
    "d": "data",
    "u": "user",
    "E": "cert",
    "A": "user-agent",
    "e": "referer",
    "o": "output",
    "m": "max-time",
    "x": "proxy",
    "T": "upload-file",
    "F": "form",
    "b": "cookie",
    "c": "cookie-jar",
    "K": "config",
    "w": "write-out",
    "r": "range",
    "t": "telnet-option",
    "Q": "quote",
    "P": "ftp-port",
    "y": "speed-time",
    "Y": "speed-limit",
    "z": "time-cond",
    "C": "continue-at",
    "D": "dump-header",
    "U": "proxy-user",
    "h": "help",
    "k": "insecure",
    "L": "location",
    "G": "get",
    "I": "head",
    ":": "next",
}
_QUIET = set("sSvifgNq#460123OjanJRZBlMpV")
"""Letters of flags that change nothing about the request."""
_VALUED = words(
    "request header data data-ascii data-raw data-binary json user cert key cacert url config connect-timeout "
    "max-time proxy cert-type key-type pass capath data-urlencode form form-string upload-file cookie resolve "
    "connect-to interface unix-socket abstract-unix-socket pinnedpubkey proxy-user oauth2-bearer variable url-query "
    "range time-cond continue-at quote telnet-option ftp-port aws-sigv4 max-redirs preproxy socks4 socks4a socks5 "
    "socks5-hostname doh-url dns-servers local-port crlfile engine netrc-file request-target output write-out "
    "user-agent referer dump-header retry retry-delay retry-max-time stderr trace trace-ascii trace-config "
    "keepalive-time keepalive-cnt limit-rate speed-limit speed-time ciphers tls-max tls13-ciphers expect100-timeout "
    "cookie-jar noproxy output-dir proxy-cacert proxy-cert proxy-key proxy-header curves sigalgs hsts alt-svc "
    "happy-eyeballs-timeout-ms proto proto-default proto-redir rate ipfs-gateway libcurl max-filesize parallel-max "
    "service-name login-options mail-from mail-rcpt etag-save etag-compare haproxy-clientip help ech ip-tos"
)
_SILENT = words(
    "silent show-error verbose include fail fail-with-body fail-early globoff no-buffer disable progress-bar ipv4 "
    "ipv6 http1.0 http1.1 http2 http2-prior-knowledge http3 http3-only tlsv1 tlsv1.0 tlsv1.1 tlsv1.2 tlsv1.3 "
    "remote-name remote-header-name compressed no-progress-meter no-keepalive tcp-nodelay tcp-fastopen "
    "ssl-no-revoke ssl-reqd ssl no-alpn no-npn no-sessionid path-as-is raw styled-output no-styled-output "
    "netrc-optional retry-connrefused retry-all-errors create-dirs no-silent no-verbose remote-time output "
    "write-out user-agent referer dump-header stderr trace trace-ascii trace-config trace-time trace-ids "
    "keepalive-time keepalive-cnt limit-rate speed-limit speed-time ciphers tls-max tls13-ciphers expect100-timeout "
    "cookie-jar output-dir junk-session-cookies parallel tr-encoding cert-type key-type curves append no-clobber "
    "remove-on-error happy-eyeballs-timeout-ms proto rate ca-native false-start xattr hsts alt-svc help manual "
    "version suppress-connect-headers"
)
_SAID = {
    **dict.fromkeys(("retry", "retry-delay", "retry-max-time"), "aftrun repeats by itself what is safe to repeat"),
    **dict.fromkeys(
        ("proxy", "noproxy", "preproxy", "socks4", "socks4a", "socks5", "socks5-hostname", "proxy-user"),
        "set https_proxy or NO_PROXY in the environment",
    ),
    **dict.fromkeys(("cookie", "variable", "aws-sigv4"), "the API does not use it"),
    **dict.fromkeys(("netrc", "netrc-file"), "the key belongs into AFT_API_KEY"),
    **dict.fromkeys(("resolve", "connect-to", "unix-socket"), "aftrun connects to the host that the URL names"),
    "pinnedpubkey": "it pins a key, and aftrun pins certificates: `aftrun trust URL` prints the line",
    "pass": "aftrun takes unencrypted keys",
    "url-query": "the API's URL has no query",
}
"""Options that are left out, and why that is said."""
_FORMS = ("data-urlencode", "form", "form-string", "upload-file")
_DATA = ("data", "data-ascii", "data-raw", "data-binary", "json")
_DASHES = str.maketrans({"–": "-", "—": "-"})


@dataclass(slots=True)
class _Draft:
    """A request as far as its options have been read."""

    method: str = ""
    urls: list[str] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    is_json: bool = False
    gets: str = ""
    tls: Tls = field(default_factory=Tls)
    connect_timeout: str = ""
    read_timeout: str = ""


class Curl:
    """Reads the arguments of one `curl`. `stdin` is what a here-document or a pipe gives it."""

    def __init__(self, notebook: Notebook, line: int, stdin: str | None = None) -> None:
        self._notebook, self._line, self._stdin = notebook, line, stdin
        self._drafts = [_Draft()]

    def read(self, arguments: Sequence[Word]) -> list[Request]:
        """The requests, one for each URL and each part between `--next`."""
        self._arguments(list(arguments))
        return [request for draft in self._drafts for request in self._requests(draft)]

    def _remark(self, text: str) -> None:
        self._notebook.remark(self._line, text)

    def _arguments(self, words: list[Word]) -> None:
        words.reverse()
        while words:
            word = words.pop()
            text = word.text
            if text[:1] in ("–", "—"):
                text = ("--" if len(text) > 2 and text[1:2].isalpha() and text[2:3].isalpha() else "-") + text[1:]
                text = text.translate(_DASHES) if text.startswith("--") else text
                self._remark("a typographic dash before an option was read as the plain one")
            if text.startswith("--") and len(text) > 2:
                self._long(text[2:], words)
            elif text.startswith("-") and len(text) > 1 and not has_mark(text[:2]):
                self._shorts(text[1:], words)
            elif word.bare and (self._drafts[-1].urls or any(not each.text.startswith("-") for each in words)):
                self._remark("the arguments that a variable brings are not known here: add what they say")
            elif text not in ("-", ""):
                self._drafts[-1].urls.append(text)

    def _shorts(self, letters: str, words: list[Word]) -> None:
        while letters:
            letter, letters = letters[0], letters[1:]
            name = _SHORT.get(letter, "")
            if name in _VALUED:
                self._valued(name, letters or (words.pop().text if words else ""))
                return
            if name:
                self._flag(name)
            elif letter not in _QUIET:
                self._remark("an option of curl that is not known here is left out")
                return

    def _long(self, name: str, words: list[Word]) -> None:
        name, equals, glued = name.partition("=")  # curl knows no such form, people write it all the same
        if name not in _VALUED:
            self._flag(name)
        else:
            self._valued(name, glued if equals else words.pop().text if words else "")

    def _flag(self, name: str) -> None:
        draft = self._drafts[-1]
        if name == "next":
            self._drafts.append(_Draft())
        elif name in ("insecure", "no-insecure"):
            draft.tls = replace(draft.tls, insecure=name == "insecure")
        elif name in ("location", "location-trusted"):
            self._remark("-L is left out: aftrun follows no redirects, so that the key stays where it is")
        elif name in ("get", "head"):
            draft.gets = "GET"
        elif name in _SAID:
            self._remark(f"--{name} is left out: {_SAID[name]}")
        elif name not in _SILENT:
            shown = f"--{name}" if re.fullmatch(r"[a-z]{2,16}(-[a-z]{2,12}){0,3}", name) else "an option"
            self._remark(f"{shown} of curl is not known here and left out")

    def _valued(self, name: str, value: str) -> None:
        draft = self._drafts[-1]
        if name in _DATA or name in _FORMS:
            draft.is_json = draft.is_json or name == "json"
            draft.data.append(self._data(name, value))
        elif name in _SAID:
            self._remark(f"--{name} is left out: {_SAID[name]}")
            if name in ("cookie", "pass", "proxy-user") and not has_mark(value):
                self._notebook.secrets.update((value, *re.split(r"[:=;]", value)))
        elif name in ("cert-type", "key-type") and value.upper() != "PEM":
            self._remark(f"--{name} is left out: aftrun takes PEM files; `openssl` converts others")
        elif name in ("cacert", "cert", "key"):
            self._certificate(draft, name, value)
        elif name in ("connect-timeout", "max-time"):
            self._time(draft, name, value)
        elif name == "request":
            draft.method = value
        elif name == "url":
            draft.urls.append(value)
        elif name in ("header", "user", "config", "oauth2-bearer"):
            self._credentials(draft, name, value)
        elif name not in _SILENT:
            self._remark(f"--{name} is left out: it is not translated")

    def _credentials(self, draft: _Draft, name: str, value: str) -> None:
        """What may hold the key."""
        if name == "oauth2-bearer":
            draft.headers.append(("Authorization", f"Bearer {value}"))
        elif name == "config":
            self._config(value)
        elif name == "header":
            self._header(draft, value)
        else:
            self._user(draft, value)

    def _header(self, draft: _Draft, value: str) -> None:
        if value.startswith("@"):
            try:
                text = self._notebook.file(value[1:])
            except Trouble as trouble:
                self._remark(f"headers are left out: {trouble}")
                return
            for each in text.splitlines():
                if each.strip():
                    self._header(draft, each)
            return
        name, colon, rest = value.partition(":")
        if has_mark(name):
            self._remark("a header that is in a variable, name and all, is left out: add it under server.headers")
        elif colon and rest.strip():  # `Name:` takes a header of curl's own away, `Name;` sends an empty one
            draft.headers.append((name.strip(), rest.strip()))
        elif not colon and name.endswith(";"):
            draft.headers.append((name[:-1].strip(), ""))

    def _data(self, name: str, value: str) -> str:
        if name in _FORMS:
            return unknown("BODY", f"--{name} sends a form or a file, and the API takes JSON", self._line)
        if not value.startswith("@") or name == "data-raw":
            return value
        try:
            content = self._standard_input() if value == "@-" else self._notebook.file(value[1:])
        except Trouble as trouble:
            return unknown("BODY", str(trouble), self._line)
        return re.sub(r"[\r\n\0]", "", content) if name in ("data", "data-ascii") else content

    def _standard_input(self) -> str:
        if self._stdin is None:
            raise Trouble("it comes from standard input, which is not here")
        mark = sole(self._stdin)
        if mark and mark.text.startswith("${file:"):
            return self._notebook.file(mark.text[len("${file:") : -1])
        return self._stdin

    def _user(self, draft: _Draft, value: str) -> None:
        draft.headers.append(("Authorization", reference("${AFT_AUTHORIZATION}")))
        if not has_mark(value):
            self._notebook.secrets.update((value, *value.split(":", 1)[1:]))
        self._remark(
            "user and password of -u are not copied: set AFT_AUTHORIZATION to 'Basic ' and the base64 of USER:PASSWORD"
        )

    def _certificate(self, draft: _Draft, name: str, value: str) -> None:
        if name == "cert" and re.search(r"[^\\]:[^\\/]", value) and not re.match(r"[A-Za-z]:[\\/]", value):
            value, _, password = value.rpartition(":")
            self._notebook.secrets.add(password)
            self._remark("the password of --cert is not copied: aftrun takes unencrypted keys")
        field_name = {"cacert": "ca_file", "cert": "cert_file", "key": "key_file"}[name]
        draft.tls = replace(draft.tls, **{field_name: value})  # type: ignore[arg-type]  # these three are text

    def _time(self, draft: _Draft, name: str, value: str) -> None:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) or float(value) <= 0:
            self._remark(f"--{name} is left out: its value is no number of seconds that is known here")
        elif name == "connect-timeout":
            draft.connect_timeout = f"{value}s"
        else:
            draft.read_timeout = f"{value}s"

    def _config(self, value: str) -> None:
        """`-K`: a config file, an option a line, `name = "value"`, with or without dashes."""
        try:
            text = self._standard_input() if value == "-" else self._notebook.file(value)
        except Trouble as trouble:
            self._remark(f"options of curl are missing: {trouble}")
            return
        words: list[Word] = []
        for each in text.splitlines():
            words += [Word(word, self._line) for word in config_line(each)]
        self._arguments(words)

    def _requests(self, draft: _Draft) -> list[Request]:
        body = ("" if draft.is_json else "&").join(draft.data) if draft.data else None
        if draft.is_json and not any(name.lower() == "content-type" for name, _ in draft.headers):
            draft.headers.append(("Content-Type", "application/json"))
        if not draft.urls and (body is not None or draft.method.upper() == "POST"):
            draft.urls.append(unknown("SERVER", "the command names no URL", self._line))
        elif not draft.urls:
            self._remark("a curl that names no URL is left out")
        return [
            Request(
                line=self._line,
                method=draft.method or draft.gets or ("POST" if body is not None else "GET"),
                url=url,
                headers=tuple(draft.headers),
                body=body,
                tls=draft.tls,
                connect_timeout=draft.connect_timeout,
                read_timeout=draft.read_timeout,
            )
            for url in draft.urls
        ]


def config_line(line: str) -> list[str]:
    """One line of a curl config file as words."""
    match = re.match(r"\s*(-{0,2}[A-Za-z0-9.:#-]*[A-Za-z0-9.#])\s*(?:[=:]\s*|\s+|$)(.*)", line)
    if match is None or line.lstrip().startswith("#"):
        return []
    name, rest = match.group(1), match.group(2).strip()
    if not name.startswith("-"):
        name = f"--{name}" if len(name) > 1 else f"-{name}"
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"?', rest)
    if quoted:
        escapes = {"n": "\n", "t": "\t", "r": "\r", "v": "\v"}
        return [name, re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), quoted.group(1))]
    if rest and not rest.startswith("#"):
        return [name, rest if rest.startswith("{") else rest.split()[0]]
    return [name]
