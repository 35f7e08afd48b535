"""Make docs/images/apply.svg and apply-still.svg, a recording of a real run at a terminal: `python -m docs.record`.

The program runs on a pseudo-terminal against a sandbox; pyte keeps the screen; each line of the screen becomes a piece
of SVG that is visible while the line stood there. It plays three times and rests at its end. apply-still.svg is the end
alone, for those who ask for reduced motion.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import pyte
import yaml

from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SCENARIO = IMAGES / "night.yaml"
MANIFEST = "manifests/nightly.yaml"
COLUMNS, ROWS = 104, 30
SAMPLE = 0.08
"""Seconds between two looks at the screen."""
REST = 6.0
"""Seconds for which the end stays before it plays again."""

CELL, LINE, SIZE, PAD, BAR = 8.4, 19.0, 14.0, 18.0, 34.0
"""Width of a character, height of a line, size of the font, margin, and height of the window's bar, in pixels."""
PAPER, INK = "#1e2127", "#d7dae0"
COLOURS = {
    "black": "#5c6370",
    "red": "#ff7b86",
    "green": "#98d982",
    "brown": "#e5c07b",
    "yellow": "#e5c07b",
    "blue": "#7cb7ff",
    "magenta": "#d89cf0",
    "cyan": "#67d3e0",
    "white": "#ffffff",
    "brightblack": "#8b93a1",
}


@dataclass(frozen=True)
class Style:
    """How a run of characters looks."""

    colour: str
    bold: bool
    faint: bool = False


Line = tuple[tuple[int, str, Style], ...]
"""The styled runs of one line: column, text, looks."""


def _lines(screen: pyte.Screen) -> list[Line]:
    lines: list[Line] = []
    for row in range(ROWS):
        cells = [(column, screen.buffer[row][column]) for column in range(COLUMNS)]
        runs: list[tuple[int, str, Style]] = []
        for (colour, bold), part in groupby(cells, key=lambda cell: (cell[1].fg, cell[1].bold)):
            run = list(part)
            text = "".join(character.data for _, character in run)
            if text.strip():
                lead = len(text) - len(text.lstrip())
                runs.append((run[0][0] + lead, text.strip(), Style(_colour(colour), bold)))
        lines.append(tuple(runs))
    return lines


def _colour(name: str) -> str:
    if len(name) == 6 and name not in COLOURS:
        return f"#{name}"
    return COLOURS.get(name, INK)


def record(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> list[tuple[float, list[Line]]]:
    """Run a command on a pseudo-terminal; the screens that it showed, each with its time in seconds."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shown: list[tuple[float, list[Line]]] = []
    typed = f"$ {' '.join(command)}"
    for end in range(2, len(typed) + 1, 3):
        screen.reset()
        stream.feed(typed[:end].encode())
        shown.append((0.02 * end, _lines(screen)))
    offset = 0.02 * len(typed) + 0.4
    screen.reset()
    stream.feed(typed.encode() + b"\r\n")
    shown.append((offset, _lines(screen)))
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "aftrun", *command[1:]],
        cwd=cwd,
        env=dict(environ),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        close_fds=True,
    )
    os.close(slave)
    started = looked = time.monotonic()
    while True:
        ready, _, _ = select.select([master], [], [], SAMPLE)
        now = time.monotonic()
        if ready:
            try:
                data = os.read(master, 65536)
            except OSError:  # Linux' way of saying that the other end is closed
                break
            stream.feed(data)
        if now - looked >= SAMPLE:
            looked = now
            shown.append((offset + now - started, _lines(screen)))
        if not ready and process.poll() is not None:
            break
    process.wait()
    os.close(master)
    shown.append((offset + time.monotonic() - started, _lines(screen)))
    return shown


def intervals(shown: Sequence[tuple[float, list[Line]]]) -> Iterator[tuple[int, Line, float, float | None]]:
    """Each line with the time for which it stood there: row, content, from, until (None: to the end)."""
    for row in range(ROWS):
        begin, current = 0.0, shown[0][1][row]
        for at, lines in shown[1:]:
            if lines[row] != current:
                if current:
                    yield row, current, begin, at
                begin, current = at, lines[row]
        if current:
            yield row, current, begin, None


def svg(shown: Sequence[tuple[float, list[Line]]], title: str) -> str:
    """The recording as one SVG file that loads nothing. Where nothing moves, nothing is animated."""
    moving = len(shown) > 2
    total = shown[-1][0] + REST
    used = max(row for _, lines in shown for row, line in enumerate(lines) if line) + 1
    width, height = COLUMNS * CELL + 2 * PAD, used * LINE + BAR + PAD
    rules: list[str] = []
    bodies: list[str] = []
    names: dict[tuple[float, float | None], str] = {}
    for row, line, begin, end in intervals(shown):
        name = names.setdefault((begin, end), f"k{len(names)}")
        last = " end" if end is None else ""
        bodies.append(f'<g class="{name}{last}">{_text(row, line)}</g>' if moving else _text(row, line))
    for (begin, end), name in names.items() if moving else ():
        start = f"{100 * begin / total:.2f}%{{visibility:visible}}"
        stop = f"{100 * end / total:.2f}%{{visibility:hidden}}" if end is not None else ""
        first = "" if begin == 0 else "0%{visibility:hidden}"
        rest = "visible" if end is None else "hidden"
        rules.append(
            f"@keyframes {name}{{{first}{start}{stop}to{{visibility:{rest}}}}}.{name}{{animation-name:{name}}}"
        )
    style = (
        f"text{{font:{SIZE:g}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:{INK};"
        "white-space:pre}.b{font-weight:700}"
    )
    if moving:
        style += (
            f"g{{visibility:hidden;animation:{total:.2f}s step-end 3 forwards}}{''.join(rules)}"
            "@media (prefers-reduced-motion:reduce){g{animation:none!important}g.end{visibility:visible}}"
        )
    dots = "".join(
        f'<circle cx="{PAD + 6 + 20 * index:g}" cy="18" r="6" fill="{colour}"/>'
        for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{escape(title)}</title><style>{style}</style>'
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>{dots}{"".join(bodies)}</svg>\n'
    )


def still(shown: Sequence[tuple[float, list[Line]]], title: str) -> str:
    """The end of the recording, without any motion."""
    return svg([(0.0, shown[-1][1]), (0.0, shown[-1][1])], title)


def _text(row: int, line: Line) -> str:
    y = BAR + (row + 0.8) * LINE
    parts: list[str] = []
    for column, text, style in line:
        bold = ' class="b"' if style.bold else ""
        fill = "" if style.colour == INK else f' fill="{style.colour}" style="fill:{style.colour}"'
        length = f' textLength="{len(text) * CELL:.1f}" lengthAdjust="spacingAndGlyphs"'
        parts.append(f'<text x="{PAD + column * CELL:.1f}" y="{y:.1f}"{bold}{fill}{length}>{escape(text)}</text>')
    return "".join(parts)


def environment(server: Sandbox) -> dict[str, str]:
    """What a run needs to reach a sandbox and to look as at a person's terminal."""
    keep = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "PYTHONPATH") if key in os.environ}
    return {
        **keep,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "NO_PROXY": "*",
        "AFT_API_KEY": server.api_key,
        "AFTRUN_SERVER": server.url,
        "AFTRUN_FINGERPRINT": server.fingerprint,
    }


def main() -> None:
    """Record a night in which one job fails."""
    import tempfile  # noqa: PLC0415  # for this alone

    scenario = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))
    with Sandbox(parse(scenario)) as server, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nightly.yaml").write_bytes((ROOT / MANIFEST).read_bytes())
        shown = record(["aftrun", "apply", "nightly.yaml"], environment(server), Path(folder))
    title = "A terminal: aftrun apply runs ten jobs; one fails, what needs it is skipped, and a table says so."
    for name, make in (("apply.svg", svg), ("apply-still.svg", still)):
        target = IMAGES / name
        target.write_text(make(shown, title), encoding="utf-8")
        sys.stdout.write(f"wrote {target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main()
