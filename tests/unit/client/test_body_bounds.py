"""Answers of few bytes and many values."""

from __future__ import annotations

import json

import pytest

from aftrun.client import body


@pytest.mark.parametrize("unit", ["[],", "{},", "0,", '"",', "null,", '[{"a":0}],'])
def test_more_values_than_anybody_sends(unit: str) -> None:
    """Refused before any of them is made: each costs a hundred bytes."""
    content = ("[" + unit * (body.LIMIT // len(unit) - 8) + "0]").encode()
    with pytest.raises(body.Unreadable, match="more than"):
        body.parse(content)


def test_long_texts_with_commas_are_no_values() -> None:
    """A log of megabytes in one field is read."""
    message = 'copied, and [so] on {"quoted"}\\, ' * 60_000
    content = json.dumps({"id": 1, "message": message}).encode()
    found = body.parse(content)
    assert isinstance(found, dict)
    assert found["message"] == message
