"""Fixtures for the client."""

from __future__ import annotations

import pytest

from aftrun.client import https_port


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether `http://` met a port that speaks TLS is looked into for a blink: words hang on that, and no outcome."""
    monkeypatch.setattr(https_port, "_MOMENT", 0.05)
