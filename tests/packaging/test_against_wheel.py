"""The tests themselves, run against the installed wheel: the parts that differ most from a checkout."""

from __future__ import annotations

import re
import sys

from tests.conftest import ROOT
from tests.packaging.tools import run
from tests.waiting import HANG

CHOSEN = (
    *(
        f"tests/unit/{name}.py"
        for name in (
            "system/test_resources",
            "test_layering",
            "cli/test_main",
            "report/test_html",
            "manifest/test_corpus",
        )
    ),
    *(f"tests/acceptance/test_{name}.py" for name in ("apply", "validate")),
)
"""What reads data files, imports and starts the program. `make test-wheel` runs all."""


def test_chosen_tests_pass_against_the_wheel() -> None:
    """In a folder without the package, with the wheel as the only aftrun there is."""
    script = ROOT / "tests" / "packaging" / "against_wheel.py"
    said = run([sys.executable, script, "--borrow", "-q", *CHOSEN], timeout=10 * HANG)  # hundreds of tests
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    assert int(passed[1]) > 300
    assert "failed" not in said
