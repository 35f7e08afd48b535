"""`make mutants`: change the decision core line by line, and say which changes no test notices.

mutmut makes the changes and runs the tests (`[tool.mutmut]` in `pyproject.toml`). A mutant that survives is either a
test that is missing, or a change that makes no difference to anybody; the latter are listed with a reason each in
`tests/mutants.toml`. Exit code 1 where one survives that is not listed there.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).resolve().parent.parent
JUSTIFIED = ROOT / "tests" / "mutants.toml"
CORE = ("policy", "steps", "gate", "fold", "verdict", "converge")


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that no test noticed: where, what stood there, and what stands there now."""

    name: str
    module: str
    function: str
    was: str
    becomes: str

    @property
    def is_text(self) -> bool:
        """Only a text for people was changed: a string with blanks in it."""
        was, becomes = (re.sub(r"XX", "", text).casefold() for text in (self.was, self.becomes))
        return was == becomes and " " in self.was


def _one_line(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())


def _survivor(name: str, path: Path) -> Survivor:
    diff = get_diff_for_mutant(name, path=path).splitlines()[2:]
    was = _one_line([line[1:] for line in diff if line.startswith("-")])
    becomes = _one_line([line[1:] for line in diff if line.startswith("+")])
    function = re.sub(r"^x_?|__mutmut_\d+$", "", name.rpartition(".")[2]).replace("ǁ", ".").lstrip(".")
    return Survivor(name, path.stem, function, was, becomes)


def _justified() -> set[tuple[str, str, str, str]]:
    listed = tomllib.loads(JUSTIFIED.read_text(encoding="utf-8"))["mutant"]
    return {(each["module"], each["function"], each["was"], each["becomes"]) for each in listed if each["reason"]}


def judge(show: bool) -> int:
    """Print what became of the mutants of the last run. Returns the number of survivors that nobody justified."""
    justified = _justified()
    used: set[tuple[str, str, str, str]] = set()
    open_ones: list[Survivor] = []
    sys.stdout.write(
        f"{'module':<10}{'mutants':>8}{'killed':>8}{'texts':>7}{'justified':>11}{'survived':>10}{'no run':>8}\n"
    )
    for module in CORE:
        path = Path("aftrun") / "run" / f"{module}.py"
        data = SourceFileMutationData(path=path)
        data.load()
        count: Counter[str] = Counter()
        for name, code in data.exit_code_by_key.items():
            status = status_by_exit_code[code]
            if status not in ("survived", "no tests"):
                count["no run" if status == "not checked" else "killed"] += 1
                continue
            found = _survivor(name, path)
            place = (found.module, found.function, found.was, found.becomes)
            if place in justified:
                used.add(place)
                count["justified"] += 1
            elif found.is_text:
                count["texts"] += 1
            else:
                count["survived"] += 1
                open_ones.append(found)
        columns = "".join(f"{count[each]:>{width}}" for each, width in _COLUMNS)
        sys.stdout.write(f"{module:<10}{len(data.exit_code_by_key):>8}{columns}\n")
    for each in open_ones if show else ():
        sys.stdout.write(f"\n{each.module} {each.function}  ({each.name})\n  - {each.was}\n  + {each.becomes}\n")
    for stale in sorted(justified - used):
        sys.stdout.write(f"\nlisted in {JUSTIFIED.name}, and not among the survivors: {' | '.join(stale)}\n")
    return len(open_ones)


_COLUMNS = (("killed", 8), ("texts", 7), ("justified", 11), ("survived", 10), ("no run", 8))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--judge", action="store_true", help="only say again what the last run came to")
    parser.add_argument("--jobs", default="2", help="how many mutants are tried at once")
    parser.add_argument("mutants", nargs="*", help='names, such as "aftrun.run.gate.*"; all where none is given')
    args = parser.parse_args()
    if not args.judge:
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", args.jobs, *args.mutants]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603  # our own tool, with arguments of our own
    return 1 if judge(show=True) else 0


if __name__ == "__main__":
    sys.exit(main())
