"""No secret survives scrubbing, however it was encoded."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.secrets import MARK, Scrubber

# No `*`: a mark next to a secret's own stars would be the secret again, and no harm done.
CHARS = st.characters(codec="utf-8", exclude_characters="*")
SECRETS = st.one_of(
    st.text(CHARS, min_size=4, max_size=40), st.text("abAB/+= %&é\n\"'", min_size=4, max_size=12)
).filter(str.strip)
"""What is blank is no secret."""
AROUND = st.text(CHARS, max_size=12)


def lower_hex(text: str) -> str:
    """`%2F` as `%2f`, nothing else changed."""
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


ENCODERS: dict[str, Callable[[str], str]] = {
    "raw": lambda text: text,
    "json": lambda text: json.dumps(text)[1:-1],
    "json in UTF-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json with \\/": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json in UTF-8 with \\/": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/"),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "url path": urllib.parse.quote,
    "url form": urllib.parse.quote_plus,
    "json in json": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "html": html.escape,
    "html by number": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "all percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "url as in browsers": lambda text: urllib.parse.quote(text, safe="!'()~"),
    "url in small digits": lambda text: lower_hex(urllib.parse.quote(text, safe="")),
    "url form in small digits": lambda text: lower_hex(urllib.parse.quote_plus(text)),
}


@pytest.mark.parametrize("name", ENCODERS)
@given(secret=SECRETS, before=AROUND, after=AROUND)
def test_no_encoded_secret_is_left(name: str, secret: str, before: str, after: str) -> None:
    """Inside any other text of the same encoding."""
    encode = ENCODERS[name]
    found = Scrubber([secret]).scrub(encode(before + secret + after))
    form = encode(secret)
    assert form not in found


@given(secret=SECRETS, before=st.binary(max_size=7), after=st.binary(max_size=7), urlsafe=st.booleans())
def test_no_base64_of_a_secret_is_left(secret: str, before: bytes, after: bytes, *, urlsafe: bool) -> None:
    """At whatever offset it starts inside the encoded bytes: what is left does not hold the secret."""
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    text = encode(before + secret.encode() + after).decode()
    found = Scrubber([secret]).scrub(text)
    assert found != text
    assert MARK in found
    first = (len(before) * 8 + 5) // 6
    last = (len(before) + len(secret.encode())) * 8 // 6
    assert text[first:last] not in found


@given(
    secrets=st.lists(st.text("abcdé/ ", min_size=4, max_size=8).filter(str.strip), min_size=1, max_size=5),
    text=st.text("abcdé/ ", max_size=60),
)
def test_of_several_secrets_none_is_left(secrets: list[str], text: str) -> None:
    """They may overlap, and stand inside one another."""
    found = Scrubber(secrets).scrub(text + secrets[0] + text)
    assert not [secret for secret in secrets if secret in found]


@given(text=st.text(max_size=200))
def test_without_secrets_nothing_changes(text: str) -> None:
    """What is no secret is left alone."""
    assert Scrubber().scrub(text) == text
    assert Scrubber(["\x00not in any text\x00" * 2]).scrub(text) == text
