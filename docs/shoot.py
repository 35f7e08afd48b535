"""Make docs/images/report.png and report-dark.png, pictures of a real run's HTML report: `python -m docs.shoot`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from aftrun.sandbox.scenario import parse
from aftrun.sandbox.server import Sandbox
from docs.record import IMAGES, MANIFEST, ROOT, SCENARIO, environment

WIDTH, HEIGHT, SCALE = 960, 697, 2


def report(folder: Path) -> Path:
    """Run the night of the pictures; the HTML report that it wrote."""
    scenario = yaml.safe_load(SCENARIO.read_text(encoding="utf-8"))
    (folder / "nightly.yaml").write_bytes((ROOT / MANIFEST).read_bytes())
    path = folder / "report.html"
    with Sandbox(parse(scenario)) as server:
        command = [
            sys.executable,
            "-m",
            "aftrun",
            "apply",
            "nightly.yaml",
            "-q",
            "-o",
            "none",
            "--report-html",
            path.name,
        ]
        done = subprocess.run(command, cwd=folder, env=environment(server), check=False)  # noqa: S603  # our own program
    if done.returncode != 1:
        raise SystemExit(f"the run should end with 1, since a job fails in it, and ended with {done.returncode}")
    return path


def main() -> None:
    """Take both pictures."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # so that the rest can be checked without it

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = report(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, name in (("light", "report.png"), ("dark", "report-dark.png")):
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT},
                device_scale_factor=SCALE,
                color_scheme="light" if scheme == "light" else "dark",
            )
            page.goto(path.as_uri())
            page.wait_for_selector("tr.job")
            target = IMAGES / name
            page.screenshot(path=target)
            page.close()
            sys.stdout.write(f"wrote {target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB\n")
        browser.close()


if __name__ == "__main__":
    main()
