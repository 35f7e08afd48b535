"""The least that a command line of aftrun's kind can be: typer parses one argument; yaml and jsonschema are imported.

What typer parses, pydantic checks, which typer loads for that: nobody who stands on typer starts sooner.
"""

from typing import Annotated

import jsonschema  # noqa: F401  # what importing takes is what is compared
import typer
import yaml  # noqa: F401  # the same

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def validate(files: Annotated[list[str], typer.Argument()]) -> None:
    """Take the files, and do nothing."""


app()
