"""`aftrun schema`: the JSON Schemas that aftrun ships."""

from __future__ import annotations

from typing import Annotated

from aftrun.cli.boundary import emit
from aftrun.cli.flags import argument
from aftrun.cli.words import SchemaName


def schema(
    name: Annotated[SchemaName, argument(help="Which schema.")] = SchemaName.MANIFEST,
) -> int:
    """Print the JSON Schema of manifests, reports, events or sandbox scenarios, for editors and other tools."""
    from aftrun.resources import schema_text  # noqa: PLC0415  # only for this command

    emit(schema_text(name.value))
    return 0
