"""`python -m tests.dag.run RESULT FILE…`: run the DAG of each file with `dag.test()`, and tell how it ended."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any


def load(path: str) -> Any:
    """The DAG of a file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dag


def main(result: str, *files: str) -> None:
    """Write the result as JSON."""
    ended = []
    for file in files:
        run = load(file).test()
        ended.append({"state": run.state, "tasks": {ti.task_id: ti.state for ti in run.get_task_instances()}})
    Path(result).write_text(json.dumps(ended), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
