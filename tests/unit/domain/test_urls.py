"""URLs, origins, this machine, header values and fingerprints: one table for each rule."""

from __future__ import annotations

import pytest

from aftrun.domain import urls
from aftrun.manifest import load_all


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.9.8.7", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("aft.localhost", True),
        ("127.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.1", False),  # the resolver may take it for 127.0.0.1; who means this machine can say so
        ("localhost.evil.example", False),
        ("notlocalhost", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("0.0.0.0", False),  # noqa: S104  # nothing is bound
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, here: bool) -> None:
    """Addresses of the loopback networks and localhost are; names that only look like one are not."""
    assert urls.is_loopback(host) is here


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        ("https://aft.example.com", "https://aft.example.com:443", ""),
        ("https://AFT.example.COM.:443/", "https://aft.example.com:443", ""),
        ("HTTPS://aft.example.com:44399/v/", "https://aft.example.com:44399", "/v"),
        ("http://[::1]:80", "http://[::1]:80", ""),
        ("https://bücher.example", "https://xn--bcher-kva.example:443", ""),
        ("https://[2001:DB8:0:0:0:0:0:1]:44399", "https://[2001:db8::1]:44399", ""),
        ("https://[2001:db8::0001]:44399", "https://[2001:db8::1]:44399", ""),
        ("https://[0:0:0:0:0:0:0:1]:1", "https://[::1]:1", ""),
        ("https://[fe80::0:1%25eth0]:1", "https://[fe80::1%25eth0]:1", ""),
        ("https://[::ffff:a09:0909]:1", "https://[::ffff:10.9.9.9]:1", ""),
        ("https://[0::FFFF:10.9.9.9]:1", "https://[::ffff:10.9.9.9]:1", ""),
        ("https://[::ffff:a09:909%eth0]:1", "https://[::ffff:10.9.9.9%eth0]:1", ""),
        ("https://[v1.x:y]:1", "https://[v1.x:y]:1", ""),
    ],
)
def test_two_spellings_of_a_server_have_one_origin(text: str, origin: str, path: str) -> None:
    """Case, the dot at the end of a name, the default port, umlauts and zeros of IPv6 make no difference."""
    found = urls.parse_url(text)
    assert (found.origin, found.path) == (origin, path)
    assert found.secure is text.lower().startswith("https")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ftp://a", "must begin with https://"),
        ("a.example", "must begin with https://"),
        ("https://", "needs a host"),
        ("https://:44399", "needs a host"),
        ("https://a:0", "needs a host"),
        ("https://a:x", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://u:p@a", "user name or password"),
        ("https://a b", "needs a host"),
        ("https://a\\@b", "user name or password"),
        ("https://a\\b", "needs a host"),
        ("https://a\x00b", "needs a host"),
        ("https://a/?q", "before any ?"),
        ("https://a/#f", "before any ?"),
        ("https://" + "ä" * 70, "DNS"),
    ],
)
def test_what_is_no_server(text: str, fault: str) -> None:
    """Each fault has its clause, and none repeats the text, which may be secret."""
    said = urls.url_fault(text)
    assert fault in said
    assert said.startswith("it")
    assert text not in said


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("aft.example.com", "https://aft.example.com:44399"),
        ("192.168.1.10:8443", "https://192.168.1.10:8443"),
        ("[::1]", "https://[::1]:44399"),
        (" https://a/ ", "https://a"),
    ],
)
def test_a_server_as_people_name_it(given: str, url: str) -> None:
    """`HOST` and `HOST:PORT` mean HTTPS, as for `aft start`."""
    assert urls.full_url(given) == url


@pytest.mark.parametrize("given", ["", "a/b", "a:b", "ftp://a", "-", "a b", "::1"])
def test_no_address(given: str) -> None:
    """What is neither a URL nor an address is refused."""
    with pytest.raises(ValueError, match=r"^it"):
        urls.full_url(given)


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        ("http://127.0.0.1:", ("http", "127.0.0.1")),
        ("http://127.", None),
        ("HTTP://[::1]/x", ("http", "[::1]")),
        ("http://127.0.0.1@", None),
        ("https://a/", ("https", "a")),
        ("", None),
    ],
)
def test_the_host_of_an_unfinished_url(beginning: str, found: tuple[str, str] | None) -> None:
    """A host counts only when nothing that follows can lengthen it."""
    assert urls.literal_host(beginning) == found


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("k3y", ""),
        ("two words", ""),
        ("a\tb", ""),
        ("", ""),
        ("a\nb", "line break"),
        ("a\rb", "line break"),
        ("a\x00b", "control"),
        ("é", "not ASCII"),
        ("\ufeffkey", "not ASCII"),
        (" key", "blank"),
        ("key ", "blank"),
        ("\x7f", "control"),
    ],
)
def test_what_can_stand_in_a_header(value: str, fault: str) -> None:
    """Visible ASCII with inner blanks passes, nothing else."""
    assert fault in urls.header_value_fault(value)
    assert bool(fault) is bool(urls.header_value_fault(value))


def test_fingerprints_in_the_forms_that_people_paste() -> None:
    """As aftrun and as openssl print them, in either case."""
    raw = bytes(range(32))
    colons = ":".join(f"{byte:02X}" for byte in raw)
    for text in (
        f"sha256:{raw.hex()}",
        f"SHA256 Fingerprint={colons}",
        colons,
        raw.hex(),
        f"SHA256/{raw.hex().upper()}",
        f" sha-256: {raw.hex()}\n",
    ):
        assert urls.parse_fingerprint(text) == raw
    for text in ("", "sha256:", raw.hex()[:-1], raw.hex() + "00", "sha1:" + raw.hex(), "x" * 64):
        with pytest.raises(ValueError, match="SHA-256"):
            urls.parse_fingerprint(text)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.evil.example", True),
        ("http://127.${REST}", True),
        ("http://localhost.${REST}", True),
        ("http://127.0.0.1:${PORT}", False),
        ("http://[::1]:${PORT}", False),
        ("http://LOCALHOST", False),
        ("https://127.${REST}", False),
    ],
)
def test_plain_http_is_said_unless_it_stays_on_this_machine(url: str, warned: bool) -> None:
    """A name that begins like a loopback address is another machine, and so may be one that is not complete yet."""
    text = f"server: {{url: {url!r}}}\njobs: [{{scriptName: a}}]\nversion: 1\n"
    loaded = load_all(["m.yaml"], read=lambda _: text.encode(), insecure_http=True)
    assert ("AFT108" in [problem.code for problem in loaded.warnings]) is warned


@pytest.mark.parametrize(
    ("url", "doubt", "remedy"),
    [
        ("https://h:44399", "", ""),
        ("https://h:44399/", "", ""),
        ("https://h:44399/v1/jobs", "ends in /v1/jobs, which", "write https://h:44399"),
        ("https://h:44399/v1/adm/jobs/17/", "ends in /v1/adm/jobs/17, which", "write https://h:44399"),
        ("https://h/aft/V1", "ends in /V1, which", "write https://h/aft"),
        ("https://h/aft", "has a path, /aft: jobs are started at /aft/v1/jobs", "write https://h, unless a proxy"),
    ],
)
def test_a_path_in_the_url_of_a_server_is_doubted(url: str, doubt: str, remedy: str) -> None:
    """An endpoint that somebody pasted is known for one."""
    said, hint = urls.path_doubt(url)
    assert doubt in said
    assert hint.startswith(remedy)
    assert bool(said) is bool(doubt)
