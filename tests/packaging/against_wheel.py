"""Runs the tests against the built wheel: `python tests/packaging/against_wheel.py [--borrow] [arguments of pytest]`.

The wheel is built and put into an environment of its own, the tests are copied to a folder without the package, and run
there, so that `aftrun` can only be the installed one. With `--borrow` the other packages are those of the Python that
runs this script; without, they are installed afresh, as uv.lock says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("tests/packaging", "tests/docs/test_site.py")
"""Tests of the tree, not of the installed program."""


def call(*command: str | Path, cwd: Path = ROOT) -> None:
    """A program that must succeed."""
    subprocess.run([str(each) for each in command], cwd=cwd, check=True)


def build(target: Path) -> Path:
    """The wheel of the tree."""
    from tests.packaging.tools import copy_tree  # noqa: PLC0415  # only importable once the path below is set

    copy = copy_tree(target / "tree")
    call(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", target / "dist", copy)
    (wheel,) = (target / "dist").glob("*.whl")
    shutil.rmtree(copy / "aftrun")
    return wheel


def environment(folder: Path, wheel: Path, *, borrow: bool) -> Path:
    """An environment with the wheel; returns its Python."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if borrow:
        call(sys.executable, "-m", "venv", folder)
        call(*pip, "--no-deps", wheel)
        # A line in a .pth file comes behind what the environment has itself, and .pth files behind it do not count, so
        # that an editable install over there stays over there.
        show = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = subprocess.run([python, "-c", show], capture_output=True, text=True, check=True).stdout.strip()
        Path(own, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    else:
        call(sys.executable, ROOT / "tools" / "environment.py", folder, "--extra", "dev", "--project", "none")
        call(*pip, "--no-deps", wheel)
    return python


def main(arguments: Sequence[str]) -> int:
    """Runs the tests; returns pytest's exit code."""
    sys.path.insert(0, str(ROOT))
    borrow = "--borrow" in arguments
    wanted = [each for each in arguments if each != "--borrow"]
    with tempfile.TemporaryDirectory(prefix="aftrun-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        python = environment(folder / "venv", wheel, borrow=borrow)
        tree = folder / "tree"
        check = "import aftrun, pathlib, sys; sys.exit('site-packages' not in pathlib.Path(aftrun.__file__).parts)"
        call(python, "-c", check, cwd=tree)
        print(f"{wheel.name}, {'borrowed' if borrow else 'fresh'} dependencies", flush=True)  # noqa: T201  # a script
        ignored = [f"--ignore={each}" for each in ELSEWHERE]
        command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *ignored, *wanted]
        return subprocess.run(command, cwd=tree, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
