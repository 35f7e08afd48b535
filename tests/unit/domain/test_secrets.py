"""Secrets in text that came from elsewhere."""

from __future__ import annotations

import base64
import html
import json

import pytest

from aftrun.domain.secrets import MARK, NOTHING_SECRET, Scrubber

SECRET = "Pa/ss+wörd&<1>"
PIECES = ["a ", "\\", "\\n", "+ ", "& ", "&amp;", " \\+", "%25"]


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        r"Pa/ss+w\u00f6rd&<1>",
        r"Pa\/ss+w\u00f6rd&<1>",
        r"Pa\/ss+wörd&<1>",
        r"Pa/ss+wörd\u0026\u003c1\u003e",
        r"Pa/ss+w\u00F6rd\u0026\u003C1\u003E",
        "Pa%2Fss%2Bw%C3%B6rd%26%3C1%3E",
        "Pa%2fss%2bw%c3%b6rd%26%3c1%3e",
        "Pa/ss%2Bw%C3%B6rd%26%3C1%3E",
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"user:" + SECRET.encode() + b":x").decode(),
        SECRET.encode().hex(),
        "Pa/ss+wörd&amp;&lt;1&gt;",
        "Pa&#x2F;ss+w&#246;rd&#38;&#60;1&#62;",
        "Pa&#x2f;ss&#43;w&ouml;rd&amp;amp;&lt;1&gt;",
        r"Pa/ss+w\\u00f6rd\\u0026<1>",
        r"Pa\\\/ss+w\\\\u00f6rd&<1>",
        "%50%61%2f%73%73%2b%77%c3%b6%72%64%26%3c%31%3e",
    ],
)
def test_every_spelling_is_found_inside_other_text(form: str) -> None:
    """Raw, JSON as Python, Go, PHP and .NET write it, URLs with either case of digits, base64, hex."""
    found = Scrubber([SECRET]).scrub(f"before {form} after")
    assert form not in found
    assert MARK in found
    assert found.startswith("before ")
    assert found.endswith(" after")


@pytest.mark.parametrize(
    "form",
    ["a b!c(d)'e*", "a%20b!c(d)'e*", "a+b%21c%28d%29%27e%2A", "a%20b%21c%28d%29%27e%2A", "a+b!c(d)'e*"],
)
def test_the_url_spellings_of_browsers_and_forms(form: str) -> None:
    """`encodeURIComponent` leaves `!'()*` alone, forms write `+` for a blank."""
    assert Scrubber(["a b!c(d)'e*"]).scrub(f"?q={form}&x=1") == "?q=***&x=1"


def test_a_short_secret_does_not_break_up_a_longer_one() -> None:
    """Longest first, in whatever order they were given."""
    for secrets in (["hunter", "hunter2-long"], ["hunter2-long", "hunter"]):
        assert Scrubber(secrets).scrub("x hunter2-long hunter y") == "x *** *** y"


def test_very_short_values_are_hidden_only_as_words() -> None:
    """Hiding every `a` would hide nothing and ruin the text."""
    scrubber = Scrubber(["a", "42"])
    assert scrubber.scrub("a cat has a 42 not 421, x-42, 42!") == "*** cat has *** *** not 421, x-42, ***!"


def test_empty_and_blank_values_hide_nothing() -> None:
    """An unset variable must not turn all text into marks."""
    assert Scrubber(["", " ", "  "]).scrub("all of it") == "all of it"
    assert NOTHING_SECRET.scrub("x") == "x"


def test_a_secret_of_several_lines() -> None:
    """A private key with its line ends, raw and as JSON."""
    key = "-----BEGIN KEY-----\nMIIB\n-----END KEY-----"
    scrubber = Scrubber([key])
    assert scrubber.scrub(f"[{key}]") == "[***]"
    assert scrubber.scrub("[" + key.replace("\n", "\\n") + "]") == "[***]"


def test_pattern_characters_are_taken_literally() -> None:
    """A secret is no pattern."""
    assert Scrubber([".*+?"]).scrub("abcd .*+?") == "abcd ***"


def test_undecodable_bytes_of_the_environment() -> None:
    """A variable that is not UTF-8 arrives with surrogates in it, and is found."""
    secret = b"pass\xffword".decode("utf-8", "surrogateescape")
    assert Scrubber([secret]).scrub(f"<{secret}> pass%FFword") == "<***> ***"


QUOTED = 'say "a\\b" it\'s\n<x>\t& go'


@pytest.mark.parametrize(
    "form",
    [
        json.dumps(json.dumps(QUOTED)[1:-1])[1:-1],
        json.dumps(json.dumps(json.dumps(QUOTED)[1:-1])[1:-1])[1:-1],
        html.escape(QUOTED),
        " ".join(QUOTED.split()),
        html.escape(" ".join(QUOTED.split())),
        "   ".join(QUOTED.split()),
        json.dumps(html.escape(QUOTED))[1:-1],
        "".join(f"%{byte:02x}" for byte in QUOTED.encode()),
        QUOTED.replace("'", "&#039;").replace("\n", "\r\n"),
    ],
)
def test_spellings_inside_spellings(form: str) -> None:
    """JSON inside JSON, HTML, blanks that were collapsed, everything percent-encoded."""
    assert Scrubber([QUOTED + "\n"]).scrub(f"[{form}]") == "[***]"


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    """A text made to look like the secret, over and over: were every way tried to read it, this would never end."""
    scrubber = Scrubber([piece * 40 + "end", "x" + piece * 40 + "end"])
    for unit in (piece, "\\", " ", "+", "&amp;", " +"):
        text = "x" + unit * (4_000 // len(unit))
        assert scrubber.scrub(text) == text
