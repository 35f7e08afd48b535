"""`aftrun schema`: the JSON Schemas that aftrun ships."""

from __future__ import annotations

from typing import Annotated

from aftrun.cli.boundary import Form, emit
from aftrun.cli.choices import SchemaName
from aftrun.cli.flags import argument


def schema(
    name: Annotated[SchemaName, argument(help="Which schema.")] = SchemaName.MANIFEST,
) -> int:
    """Print the JSON Schema of manifests, reports, events, scenarios or policies, for editors and tools."""
    from aftrun.system.resources import schema_text  # only for this command

    emit(schema_text(name.value), Form.JSON)
    return 0
