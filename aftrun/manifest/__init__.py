"""Manifests: text → `Manifest`. Pure but for reading files, and what `bind` fetches."""

from __future__ import annotations

from aftrun.manifest.binding import bind
from aftrun.manifest.load import Loaded, load_all
from aftrun.manifest.outside import references, shown_names, without_keys

__all__ = ["Loaded", "bind", "load_all", "references", "shown_names", "without_keys"]
