"""Feeds the loader broken manifests without number: only its own errors, bounded work, bounded memory.

    python -m benchmarks.fuzz_loader --count 100000 --seed 1

Inputs are made four ways: bytes without sense, pieces of YAML in any order, valid manifests of the corpus after one to
six slips (cut, repeated, replaced, flipped bits), and hostile constructions (depth, aliases, merges, long lines, many
keys). Prints one JSON object with the figures. Where a promise is broken, it ends there and saves the input.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.manifest import bind, load_all
from aftrun.manifest.check.diagnostics import CODES, render
from tests.steps import steps

ROOT = Path(__file__).resolve().parent.parent
MOST_STEPS = 1_000_000
"""Calls of functions that one input may cost: at most a second or two, and the same number on every machine."""
MOST_MEMORY = 300
"""MiB that the process may reach."""

PIECES = [
    b"\t", b"${", b"}", b"${{", b"}}", b"$$", b": ", b"- ", b"\n", b"\n  ", b"&a ", b"*a", b"<<: ", b"!!int ", b"!x ",
    b"'", b'"', b"[", b"]", b"{", b"null", b"~", b"1", b"0x", b"\x00", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8",
    b"jobs:\n", b"needs: ", b"matrix: ", b"exclude: ", b"server: ", b"include: ", b"vars: ", b"| ", b">-\n", b"---\n",
    b"...\n", b"%YAML 1.2\n", b"? ", b", ", b"#", b"\\", b"\\u", b"\\ud83d", b"\xef\xbb\xbf", b"\r", b"\r\n",
    b"${{ jobs.a.id }}", b"${{ vars.x }}", b"${file:x}", b"${keyring:a/b:-c}", b"scriptName: x\n", b"params: ",
    b"expect: a[", b"timeout: 1", "😀ü\u2028".encode(), b"1e999", b".inf", b"9" * 500,
]  # fmt: skip


def seeds() -> list[bytes]:
    """The corpus, valid and invalid."""
    return [path.read_bytes() for path in sorted((ROOT / "tests" / "manifests").rglob("*.yaml"))]


def senseless(rng: random.Random) -> bytes:
    """Bytes without sense."""
    return rng.randbytes(rng.randrange(120))


def pieces(rng: random.Random) -> bytes:
    """Pieces of YAML in any order."""
    return b"".join(rng.choices(PIECES, k=rng.randrange(40)))


def slipped(rng: random.Random, corpus: list[bytes]) -> bytes:
    """A manifest after some slips of the hand."""
    data = rng.choice(corpus)
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.randrange(16))
        kind = rng.randrange(5)
        if kind == 0:
            data = data[:start] + data[end:]
        elif kind == 1:
            data = data[:start] + rng.choice(PIECES) + data[start:]
        elif kind == 2:
            data = data[:end] + data[start:end] * rng.randint(1, 4) + data[end:]
        elif kind == 3 and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        else:
            other = rng.choice(corpus)
            at = rng.randrange(len(other) + 1)
            data = data[:start] + other[at : at + rng.randrange(80)] + data[end:]
    return data


def hostile(rng: random.Random) -> bytes:
    """Built to take long, or much."""
    many = rng.choice([10, 63, 64, 65, 100, 1000, 10_000])
    kind = rng.randrange(9)
    if kind == 0:
        return b"scriptName: x\nx-a: " + rng.choice([b"[", b"{a: ", b"- ", b"? "]) * many
    if kind == 1:
        width = rng.randint(2, 12)
        lines = [b"x-0: &x0 [" + b",".join([b"x"] * width) + b"]"]
        lines += [
            b"x-%d: &x%d [%s]" % (n, n, b",".join([b"*x%d" % (n - 1)] * width)) for n in range(1, rng.randint(2, 14))
        ]
        return b"\n".join(lines) + b"\nscriptName: x\n"
    if kind == 2:
        return b"scriptName: x\nparams:\n" + b"".join(b"  k%d: ${V%d}\n" % (n, n) for n in range(min(many, 1000)))
    if kind == 3:
        names = b"".join(
            b"- {name: j%d, scriptName: x, needs: [j%d]}\n" % (n, (n + 1) % many) for n in range(many // 10)
        )
        return b"jobs:\n" + names
    if kind == 4:
        axis = b"[" + b",".join(b"v%d" % n for n in range(min(many, 200))) + b"]"
        return b"jobs:\n- {name: a, scriptName: x, matrix: {a: %s, b: %s}}\n" % (axis, axis)
    if kind == 5:
        return b'{"scriptName": "' + rng.choice([b"${", b"$$", b"x", b"\\u00e9", b"\\\\", b"}"]) * many + b'"}'
    if kind == 6:
        return b"a: &a\n  <<: *a\n" if many < 100 else b"x-a: &a {b: c}\n" + b"x-c:\n  <<: [" + b"*a," * many + b"]\n"
    if kind == 7:
        return b"jobs:\n" + b"".join(b"- {scriptName: x, unknwon%d: 1}\n" % n for n in range(min(many, 500)))
    return b"expect: '" + rng.choice([b"(", b"[", b"!", b"a.", b"&", b"a || "]) * many + b"'\nscriptName: x\n"


def load(data: bytes) -> str:
    """What comes of an input: `ok`, `usage`, or the code of its first problem. Any other exception is a bug."""

    def read(path: str) -> bytes:
        if path != "f.yaml":
            raise FileNotFoundError(2, "No such file", path)
        return data

    try:
        loaded = load_all(["f.yaml"], read=read, environ={})
        bind(loaded.manifests, {"AFT_API_KEY": "k"})
    except ManifestError as error:
        for problem in error.problems:
            if problem.code not in CODES or problem.line < 1 or problem.column < 1:
                raise AssertionError(f"a problem without a code or a place: {problem}") from error
        render(error.problems[:50], error.files)
        return error.problems[0].code
    except UsageError:
        return "usage"
    return "ok"


def peak_memory() -> float:
    """The most memory that the process has had, MiB.

    Linux counts the memory of whoever started the process into `ru_maxrss`, so its own account is asked first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def fuzz(count: int, seed: int, say: Callable[[str], None] = lambda _: None) -> dict[str, object]:
    """Feed `count` inputs; returns the figures.

    Raises:
        AssertionError: a promise was broken; the input is in `fuzz-failure.yaml`.
    """
    rng = random.Random(seed)  # noqa: S311 - inputs, not secrets
    corpus = seeds()
    makers: list[Callable[[], bytes]] = [
        lambda: senseless(rng),
        *[lambda: pieces(rng)] * 4,
        *[lambda: slipped(rng, corpus)] * 14,
        lambda: hostile(rng),
    ]
    outcomes: Counter[str] = Counter()
    most, total = 0, 0
    for number in range(count):
        data = rng.choice(makers)()
        try:
            cost = steps(lambda data=data: outcomes.update([load(data)]))  # type: ignore[misc]  # the default binds
            assert cost <= MOST_STEPS, f"an input cost {cost:,} steps"  # noqa: S101 - the promise
        except BaseException:
            Path("fuzz-failure.yaml").write_bytes(data)
            raise
        total += cost
        most = max(most, cost)
        if number % 10_000 == 9_999:
            say(f"{number + 1} inputs, at most {most:,} steps, {peak_memory():.0f} MiB")
    memory = peak_memory()
    if memory > MOST_MEMORY:
        raise AssertionError(f"memory reached {memory:.0f} MiB")
    return {
        "inputs": count,
        "seed": seed,
        "mostSteps": most,
        "meanSteps": round(total / max(1, count)),
        "peakMemoryMiB": round(memory),
        "outcomes": dict(outcomes.most_common()),
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    figures = fuzz(arguments.count, arguments.seed, lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201
    print(json.dumps(figures, indent=2))  # noqa: T201 - this is what it is run for
    return 0


if __name__ == "__main__":
    sys.exit(main())
