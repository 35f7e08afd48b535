"""Airflow's logs: lines that it takes, and secrets that it must never show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Lines:
    """Airflow's logger of a task or a trigger, as `work.Log`. Messages may hold `%`, so they are never formats."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def say(self, level: int, text: str) -> None:
        """One message; several lines stay one message."""
        self._log.log(level, "%s", text)


def mask(secrets: Iterable[str]) -> None:
    """Tell Airflow's masker, here and in the process that writes the logs."""
    from airflow.sdk.log import mask_secret  # noqa: PLC0415  # Airflow where it is needed

    for secret in secrets:
        if secret.strip():
            mask_secret(secret)
