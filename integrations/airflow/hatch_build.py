"""What the build adds to the metadata: the one aftrun that this belongs to."""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Dependencies(MetadataHookInterface):
    """Pins aftrun to the version that is being built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `dependencies`. An sdist has them in its metadata already."""
        if "dependencies" not in metadata:
            metadata["dependencies"] = [f"aftrun=={metadata['version']}", *self.config["dependencies"]]
