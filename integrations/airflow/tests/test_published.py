"""What was promised when this was `aftrun export airflow` is kept."""

from __future__ import annotations

import inspect
import json
from typing import get_args

import pytest
import typer

from aftrun_airflow.cli import export
from tests.world import REPOSITORY

PUBLISHED = [
    json.loads(path.read_text(encoding="utf-8"))["flags"]["export"]
    for path in sorted((REPOSITORY / "tests" / "data" / "published").glob("*/names.json"))
]


def flags_now() -> dict[str, str]:
    """Each flag of `export`, and the variable that stands for it."""
    found: dict[str, str] = {}
    for parameter in inspect.signature(export, eval_str=True).parameters.values():
        option = get_args(parameter.annotation)[1]
        if isinstance(option, typer.models.OptionInfo):
            names = [option.default, *(option.param_decls or ())]
            variable = option.envvar or (option.help or "").partition("[env var: ")[2].partition(",")[0]
            found |= {str(name): str(variable) for name in names if name is not ...}
    return found


@pytest.mark.parametrize("flags", PUBLISHED)
def test_flags_and_their_variables_stay(flags: dict[str, str]) -> None:
    """Each with the variable that it had."""
    assert flags.items() <= flags_now().items()
