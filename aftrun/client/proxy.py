"""Which proxy the environment asks for, and a tunnel through it."""

from __future__ import annotations

import base64
import ipaddress
import os
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import field

from aftrun.domain import urls
from aftrun.domain.environment import name_key
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy as the environment names it. `place` is its address without user and password, fit to show."""

    url: str = field(repr=False)
    place: str
    variable: str
    """Where it was found, say `https_proxy`; `system` for the settings of the operating system."""

    @property
    def password(self) -> str:
        """The password in its URL, decoded; empty where there is none."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).password or "")


def _bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether `NO_PROXY` names the host: `*`, names with their subdomains, addresses, networks, `host:port`."""
    host = host.rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for raw in no_proxy.replace(" ", ",").split(","):
        entry = raw.strip().lower()
        if not entry:
            continue
        if entry == "*":
            return True
        if address is not None:
            try:
                if address in ipaddress.ip_network(entry.strip("[]"), strict=False):
                    return True
            except ValueError:
                if entry in (f"{host}:{port}", f"[{host}]:{port}"):
                    return True
            continue
        entry = entry.removesuffix(f":{port}").removeprefix("*").lstrip(".")
        if entry and (host == entry or host.endswith("." + entry)):
            return True
    return False


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Name and value of a proxy variable. Lower case wins, as in curl."""
    for spelling in (name, name.upper()):
        # In a CGI program HTTP_PROXY is the client's `Proxy:` header: an old way to redirect traffic.
        if name_key(spelling) == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
            continue
        value = environ.get(spelling, "").strip()
        if value:
            return spelling, value
    return "", ""


def find(scheme: str, host: str, port: int, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy for a server, or None. Never one for this machine itself.

    `environ` stands in for the environment; with None the real one counts, and where that says nothing,
    the settings of the operating system (Windows, macOS).

    Raises:
        UsageError: the environment names a proxy that aftrun cannot use.
    """
    if urls.is_loopback(host):
        return None
    variables = os.environ if environ is None else environ
    if _bypassed(host, port, _variable(variables, "no_proxy")[1]):
        return None
    name, value = _variable(variables, f"{scheme}_proxy")
    if not value:
        name, value = _variable(variables, "all_proxy")
    if not value and environ is None:
        value = urllib.request.getproxies().get(scheme, "")
        if not value or urllib.request.proxy_bypass(host):
            return None
        name = "system"
    return _proxy(name, value) if value else None


def _proxy(variable: str, value: str) -> Proxy:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.SplitResult("", "", "", "", ""), None
    if not parts.hostname:
        # The value itself may hold a password, so it is not shown.
        raise UsageError(
            f"the proxy in {variable} is no address of the form http://HOST:PORT",
            hint=f"correct {variable}, or name the server in NO_PROXY to go without a proxy",
        )
    if parts.scheme.lower() not in ("http", "https"):
        raise UsageError(
            f"the proxy in {variable} is a {parts.scheme} proxy; aftrun knows only http and https proxies",
            hint=f"set {variable} to an HTTP proxy, or name the server in NO_PROXY to go without one",
        )
    place = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    return Proxy(url, place if port is None else f"{place}:{port}", variable)


def tunnel(proxy: Proxy, host: str, port: int, timeout: float) -> socket.socket:
    """A plain connection to `host:port` through an HTTP proxy, which has `timeout` seconds to connect, and to answer.

    Raises:
        OSError: the proxy cannot be reached, or does not let us through (or is an https one: not needed so far).
    """
    parts = urllib.parse.urlsplit(proxy.url)
    if parts.scheme != "http" or parts.hostname is None:
        raise OSError("no tunnel through an https proxy")
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if parts.username:
        pair = f"{urllib.parse.unquote(parts.username)}:{proxy.password}".encode()
        lines.append("Proxy-Authorization: Basic " + base64.b64encode(pair).decode("ascii"))
    sock = socket.create_connection((parts.hostname, parts.port or 80), timeout)
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        _expect_200(sock, timeout)
        sock.settimeout(timeout)
    except BaseException:
        sock.close()
        raise
    return sock


def _expect_200(sock: socket.socket, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    answer, end = b"", clock() + seconds
    while b"\r\n\r\n" not in answer:
        left = end - clock()
        if left <= 0:
            raise TimeoutError("timed out")
        sock.settimeout(left)
        byte = sock.recv(1)  # one at a time: what follows the blank line belongs to the handshake
        if not byte or len(answer) > 16_384:
            raise OSError("the proxy gave no answer that makes sense")
        answer += byte
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        said = f" (HTTP {status[0].decode()})" if status and status[0].isdigit() else ""
        raise OSError(f"the proxy does not let us through{said}")
