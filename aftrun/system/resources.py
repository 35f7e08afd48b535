"""Data files that ship with aftrun: the JSON Schemas."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable


def schemas() -> Traversable:
    """The folder of the schemas: inside the package in a wheel, beside it in a checkout.

    A checkout keeps one home for them, the top-level `schemas/`; the wheel gets a copy at build time.
    """
    package = resources.files("aftrun")
    inside = package.joinpath("schemas")
    if inside.is_dir():
        return inside
    return package.joinpath("..", "schemas")


def schema_text(name: str) -> str:
    """The text of one schema: `manifest`, `report`, `event` or `scenario`.

    Raises:
        FileNotFoundError: there is no schema of that name.
    """
    return schemas().joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
