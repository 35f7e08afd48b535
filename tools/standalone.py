"""Builds aftrun as one file for machines without Python: `python tools/standalone.py`, into build/standalone.

PyInstaller makes a folder of it: an interpreter, the modules and the libraries, of the versions in uv.lock, with the
extras `import`, `keyring` and `sandbox`. Its own way to make one file of that folder unpacks everything at every start,
which takes longer than most commands do. So on Linux and macOS the one file is the folder behind a few lines of shell,
which unpack it once for each user, into the cache folder, and start it from there ever after. Windows has no such
shell, and gets PyInstaller's own one file.

What was looked at beside it: shiv and zipapps need a Python on the machine; PyApp and PEX's `scie` fetch an interpreter
from elsewhere when they are built or first started; Nuitka compiles for half an hour what here takes one minute.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.environment import ROOT, call, export, get_uv, install, program

BUILD = ROOT / "build" / "standalone"
EXTRAS = "import,keyring,sandbox"
ENTRY = """
import os
# PyInstaller leads programs that are started from here, such as git, to its own libraries.
before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
os.environ.pop("LD_LIBRARY_PATH", None)
if before is not None:
    os.environ["LD_LIBRARY_PATH"] = before
from aftrun.__main__ import main
main()
"""
COLLECTED = ("--collect-submodules", "aftrun", "--collect-data", "aftrun", "--copy-metadata", "keyring")
UNUSED = ("setuptools", "pkg_resources", "distutils", "pip", "multiprocessing", "tkinter", "unittest")
"""What some package could use and aftrun does not; some of it would be loaded at every start."""
GRAMMARS = ("tree_sitter_bash", "tree_sitter_powershell")
HEAD = """#!/bin/sh
# aftrun, with everything that it needs: this file unpacks itself once, into your cache folder, and starts from there.
umask 077
cache=${XDG_CACHE_HOME:-$HOME/.cache}/aftrun
there=$cache/NAME
if [ ! -x "$there/aftrun" ]; then
  new=$cache/.new.$$
  trap 'rm -rf "$new"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir -p "$new" && tail -n +LINES "$0" | gzip -dc | tar xf - -C "$new" || {
    echo "aftrun: cannot unpack itself into $cache; set XDG_CACHE_HOME to a folder with 100 MB to spare" >&2
    exit 74
  }
  mv "$new/NAME" "$cache/" 2>/dev/null # or another start was faster
  rm -rf "$new"
  trap - EXIT INT TERM
fi
exec "$there/aftrun" "$@"
"""


def environment(folder: Path) -> Path:
    """An environment of the lock's versions with aftrun, as users install it, and PyInstaller; returns its Python."""
    make = (ROOT / "tools" / "environment.py", folder, "--extra", EXTRAS, "--project", "copy")
    call(sys.executable, *make)
    python = program(folder, "python")
    uv = get_uv(python)
    asked = folder / "standalone.txt"
    asked.write_text(export(uv, "--only-group", "standalone"), encoding="utf-8")
    install(uv, python, asked)
    return python


def freeze(python: Path, kind: str) -> Path:
    """What PyInstaller makes: a folder (`--onedir`), or a file (`--onefile`)."""
    entry = BUILD / "entry.py"
    entry.write_text(ENTRY, encoding="utf-8")
    work = ("--distpath", BUILD / "dist", "--workpath", BUILD / "work", "--specpath", BUILD / "work")
    all_of = [part for each in GRAMMARS for part in ("--collect-all", each)]
    without = [part for each in UNUSED for part in ("--exclude-module", each)]
    strip = ["--strip"] if os.name != "nt" and shutil.which("strip") else []
    flags = ("--noconfirm", "--clean", "--log-level", "WARN", kind, "--name", "aftrun", *strip)
    call(python, "-I", "-m", "PyInstaller", *flags, *work, *COLLECTED, *all_of, *without, entry)
    return program_of(BUILD / "dist")


def program_of(folder: Path) -> Path:
    """What PyInstaller left in a folder."""
    return folder / ("aftrun.exe" if os.name == "nt" else "aftrun")


def packed(folder: Path) -> bytes:
    """A folder as one file that is a shell script: the same for the same folder."""
    names = sorted(each for each in folder.rglob("*") if each.is_file() or each.is_symlink())
    digest = hashlib.sha256()
    for each in names:
        digest.update(each.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(str(each.readlink()).encode() if each.is_symlink() else each.read_bytes())
    name = digest.hexdigest()[:24]
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz", format=tarfile.GNU_FORMAT) as archive:
        for each in names:
            archive.add(each, f"{name}/{each.relative_to(folder).as_posix()}", filter=_nobodys)
    head = HEAD.replace("NAME", name).replace("LINES", str(HEAD.count("\n") + 1))
    return head.encode() + kept.getvalue()


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member


def main() -> None:
    """Reads the command line."""
    reader = argparse.ArgumentParser(description="Build aftrun as one file for machines without Python.")
    reader.add_argument("--python", type=Path, help="use what is installed there, PyInstaller too, and fetch nothing")
    options = reader.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    try:
        python = options.python or environment(BUILD / "environment")
        made = freeze(python, "--onefile" if os.name == "nt" else "--onedir")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{Path(error.cmd[0]).name} ended with {error.returncode}")
    target = program_of(BUILD)
    if made.is_dir():
        target.write_bytes(packed(made))
        target.chmod(0o755)
    else:
        shutil.copyfile(made, target)
    shown = target.relative_to(ROOT)
    print(f"{shown}: {target.stat().st_size / 1e6:.0f} MB")  # noqa: T201  # this is a program


if __name__ == "__main__":
    main()
