"""Make docs/images/badges/*.svg from pyproject.toml, so that README asks no service: `python -m docs.badges`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BADGES = ROOT / "docs" / "images" / "badges"
BLUE, GREEN = "#1f6feb", "#2b7a3d"


def badge(name: str, value: str, colour: str) -> str:
    """A small sign with a name and a value. Widths are estimated, and texts squeezed into them."""
    left, right = 6.6 * len(name) + 12, 6.6 * len(value) + 12
    width = left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="20" role="img">'
        f"<title>{name}: {value}</title>"
        f'<clipPath id="c"><rect width="{width:g}" height="20" rx="3"/></clipPath><g clip-path="url(#c)">'
        f'<rect width="{left:g}" height="20" fill="#444"/>'
        f'<rect x="{left:g}" width="{right:g}" height="20" fill="{colour}"/>'
        f'</g><g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="6" y="14" textLength="{left - 12:g}">{name}</text>'
        f'<text x="{left + 6:g}" y="14" textLength="{right - 12:g}">{value}</text></g></svg>\n'
    )


def badges() -> dict[str, str]:
    """The badges by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = [each.rpartition(" ")[2] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    return {
        "python": badge("python", f"{versions[0]} – {versions[-1]}", BLUE),
        "licence": badge("licence", project["license"], BLUE),
        "typed": badge("types", "mypy strict", GREEN),
    }


def main() -> None:
    """Write them."""
    BADGES.mkdir(parents=True, exist_ok=True)
    for name, text in badges().items():
        (BADGES / f"{name}.svg").write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}.svg\n")


if __name__ == "__main__":
    main()
