"""How long the scrubber takes: 400 secrets, 1 MB of text of several kinds. `python -m benchmarks.scrubber`."""

from __future__ import annotations

import random
import string
import sys
import time
from collections.abc import Iterator

from aftrun.domain.secrets import Scrubber

SIZE = 1_000_000
UNITS = (" ", "a", "key ", "\\", "%25", "&amp;")


def _secrets(rng: random.Random) -> list[str]:
    letters = string.ascii_letters + string.digits + '+/=!$ "'
    return ["".join(rng.choices(letters, k=rng.randint(8, 60))) for _ in range(400)]


def rows() -> Iterator[tuple[str, float]]:
    """What was done, and the seconds that it took."""
    rng = random.Random(1)  # noqa: S311  # the same each time
    began = time.perf_counter()
    scrubber = Scrubber(_secrets(rng))
    yield "400 secrets: made", time.perf_counter() - began
    line = '{"id": 17, "message": "copied 12 files to /archive/2026", "ok": true}\n'
    texts = {
        "1 MB of JSON": line * (SIZE // len(line)),
        "1 MB of anything": "".join(rng.choices(string.printable, k=SIZE)),
    }
    for name, text in texts.items():
        began = time.perf_counter()
        scrubber.scrub(text)
        yield f"400 secrets: {name}", time.perf_counter() - began
    began = time.perf_counter()
    odd = Scrubber([" " * 4096, "a" * 4096, "key " * 1024])
    yield "4 KiB of blanks and the like: made", time.perf_counter() - began
    for unit in UNITS:
        began = time.perf_counter()
        odd.scrub((unit * SIZE)[:SIZE])
        yield f"4 KiB of blanks and the like: 1 MB of {unit!r}", time.perf_counter() - began


if __name__ == "__main__":
    for what, seconds in rows():
        sys.stdout.write(f"{what:<55} {seconds:8.3f} s\n")
