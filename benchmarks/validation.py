"""`aftrun validate` of large manifests, against a checker of YAML by JSON Schema in Python and one in JavaScript.

The peers check the schema and nothing else; aftrun also knows line and column of everything, and checks names, needs,
templates and conditions, which no schema can. Growth and memory are measured at 1,000, 10,000 and 100,000 jobs.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

from benchmarks.common import AFTRUN, SCHEMA, Command, Row, Series, minimal, node_tool, run, side_by_side, skipped

AJV = ("ajv-cli", "5.0.0")
CHECKER = "`check-jsonschema`"
PARSE = """
import sys, time, yaml
data = open(sys.argv[1], "rb").read()
began = time.process_time()
for _ in yaml.parse(data, Loader=yaml.CSafeLoader): pass
print(time.process_time() - began)
"""
"""What PyYAML's C parser takes for its events, with nothing done about them."""


def manifest(jobs: int) -> str:
    """A manifest of a nightly run: relays, transforms that need them, some retries, tags, conditions, secrets."""
    dice = Random(jobs)  # noqa: S311  # a lot
    lines = ["version: 1", "name: nightly", "vars: {year: '2026'}", "strategy: {order: parallel}", "jobs:"]
    for number in range(jobs):
        kind = number % 4
        if kind == 0:
            lines += [
                f"  - name: relay-{number:06}",
                "    scriptName: S3 to SFTP relay",
                f"    params: {{destination: '/archive/${{{{ vars.year }}}}/{number:06}', character: goofy}}",
                f"    timeout: {dice.randint(1, 9)}h",
            ]
        elif kind == 1:
            lines += [
                f"  - name: transform-{number:06}",
                "    filePath: /opt/scripts/transform.syncjs",
                f"    needs: [relay-{number - 1:06}]",
                f'    params: {{input: "/archive/2026/{number - 1:06}", rows: {dice.randint(1, 10**6)}}}',
            ]
        elif kind == 2:
            lines += [
                f"  - name: purge-{number:06}",
                "    scriptName: Purge old files from an archive",
                "    params: {path: /archive/2025, token: '${UPSTREAM_TOKEN}'}",
                "    retry: {limit: 2, backoff: {duration: 30s}}",
            ]
        else:
            lines += [
                f"  - {{name: watch-{number:06}, scriptName: Health monitor, tags: [nightly, eu],",
                f"     expect: filesTransferred > `{dice.randint(0, 99)}`, params: {{job_id: '{number}'}}}}",
            ]
    return "\n".join(lines) + "\n"


def ours(path: Path) -> Command:
    """`aftrun validate`."""
    return Command([AFTRUN, "validate", path.name], cwd=path.parent)


def against_others(path: Path, jobs: int, rounds: int) -> Iterator[Row]:
    """The same file and schema, by all three."""
    what = f"`aftrun validate`, {jobs:,} jobs"
    commands = {"ours": ours(path), "parse": Command([sys.executable, "-c", PARSE, str(path)])}
    commands["checker"] = Command([sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), str(path)])
    commands["floor"] = minimal("validate", path)
    ajv = node_tool(*AJV, "ajv", install=rounds > 1)
    if not isinstance(ajv, str):
        options = ("validate", "--spec=draft2020", "--strict=false", "-s", str(SCHEMA), "-d", str(path))
        commands["ajv"] = Command([*ajv, *options])
    taken = side_by_side(commands, rounds, warm=False)
    mine, floor = taken["ours"].best, taken["floor"].best
    parse = min(float(each.out) for each in taken["parse"].runs)
    note = f"of ours, PyYAML's parser takes {parse:.2f} s of CPU ({parse / taken['ours'].cpu:.0%}); CPU ratio "
    yield faster(what, CHECKER, taken["ours"], taken["checker"], note)
    against = "the floor: a minimal program of the same packages"
    yield Row(what, against, f"{mine:.2f} s", f"{floor:.2f} s", mine / floor, "")
    if isinstance(ajv, str):
        yield skipped(what, "`ajv-cli`", "<= 2.5", ajv)
        return
    theirs = taken["ajv"].best
    note += f"{taken['ours'].cpu / taken['ajv'].cpu:.2f}; the floor {floor / theirs:.2f} × `ajv-cli`"
    yield Row(what, "`ajv-cli`", f"{mine:.2f} s", f"{theirs:.2f} s", mine / theirs, "<= 2.5", note)


def faster(what: str, against: str, mine: Series, theirs: Series, note: str) -> Row:
    """How many times as fast."""
    note += f"{theirs.cpu / mine.cpu:.2f}"
    return Row(what, against, f"{mine.best:.2f} s", f"{theirs.best:.2f} s", theirs.best / mine.best, ">= 5", note)


def growth(folder: Path, sizes: tuple[int, int, int]) -> Iterator[Row]:
    """From step to step, in CPU time less start-up, so that neither start-up nor other programs flatter it."""
    paths = {size: folder / f"{size}.yaml" for size in (1, *sizes)}
    for size, path in paths.items():
        path.write_text(manifest(size), encoding="utf-8")
    commands = {str(size): ours(path) for size, path in paths.items()}
    largest = {str(sizes[-1]): commands.pop(str(sizes[-1]))}
    series = side_by_side(commands, 3, warm=False) | side_by_side(largest, 1, warm=False)
    taken = {int(name): each for name, each in series.items()}
    for smaller, larger in pairwise(sizes):
        before, after = (taken[size].cpu - taken[1].cpu for size in (smaller, larger))
        linear = before * larger / smaller
        yield Row(
            f"`aftrun validate`, from {smaller:,} to {larger:,} jobs",
            "linear growth",
            f"{after:.2f} s",
            f"{linear:.2f} s",
            after / linear,
            "<= 1.2",
            "CPU seconds, less those of one job",
        )
    for size in sizes:
        file = paths[size].stat().st_size / 1024**2
        most, allowed = taken[size].rss, 10 * file + 60
        what = f"`aftrun validate`, memory for {size:,} jobs ({file:.1f} MiB)"
        yield Row(what, "10 × the file + 60 MiB", f"{most:.0f} MiB", f"{allowed:.0f} MiB", most / allowed, "<= 1")


def rows(small: bool) -> Iterator[Row]:
    """The peers, growth, memory."""
    jobs = 200 if small else 10_000
    with tempfile.TemporaryDirectory(prefix="aftrun-validation-") as name:
        path = Path(name) / "many.yaml"
        path.write_text(manifest(jobs), encoding="utf-8")
        yield from against_others(path, jobs, 1 if small else 3)
        yield from growth(Path(name), (20, 200, 2000) if small else (1000, 10_000, 100_000))


if __name__ == "__main__":
    sys.exit(run(rows))
