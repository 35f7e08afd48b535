"""Makes an environment of the versions in uv.lock: `python tools/environment.py FOLDER --extra NAME`.

Every download is checked against its hash in the lock, and nothing is resolved. Only Python is needed, and a package
index: uv, which reads the lock, comes from that index with the hash that the lock has for it, and so does what builds
the project. With `--resolution newest` or `oldest` the lock is passed over: what pyproject.toml allows is resolved
there and then. An environment that has what is listed already is left as it is, and the project is put into it again.

uv also installs, since it is several times faster; where it cannot (an index or a certificate that only pip's own
configuration knows), pip installs the same list.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = "https://pypi.org/simple"
"""Where uv.lock says that packages come from, whatever the index of the machine on which it is renewed."""

PIP = ("-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check")
PROJECTS = {"aftrun": Path(), "aftrun-airflow": Path("integrations", "airflow")}
"""The packages of this tree, each with its folder; the first is part of every environment."""

RESOLUTIONS = {"newest": "highest", "oldest": "lowest-direct"}


def program(folder: Path, name: str) -> Path:
    """A program of an environment, or of a folder that pip filled with `--target`."""
    places = [folder / each / (name + (".exe" if os.name == "nt" else "")) for each in ("bin", "Scripts")]
    return next((each for each in places if each.exists()), places[os.name == "nt"])


def call(*command: str | Path, **environ: str) -> str:
    """What a program printed; what it complains of is seen.

    Raises:
        subprocess.CalledProcessError: it did not succeed.
    """
    shown = [str(each) for each in command]
    env = {**os.environ, **environ}
    done = subprocess.run(shown, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  # ours
    return done.stdout


def borrowed(python: Path, text: str) -> Path:
    """A folder with what a list of requirements names, for use here and not in the environment. Made once."""
    folder = ROOT / "build" / "environment" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if not folder.exists():
        fresh = folder.with_suffix(f".{os.getpid()}")  # under another name until it is whole
        fresh.mkdir(parents=True)
        asked = fresh / "requirements.txt"
        asked.write_text(text, encoding="utf-8")
        call(python, *PIP, "install", "--require-hashes", "--no-deps", "--target", fresh, "--requirement", asked)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(fresh)  # another process was faster
    return folder


def get_uv(python: Path) -> Path:
    """uv, of the version in the lock and with its hash."""
    with (ROOT / "uv.lock").open("rb") as stream:
        packages = tomllib.load(stream)["package"]
    (found,) = (each for each in packages if each["name"] == "uv")
    hashes = " ".join(f"--hash={each['hash']}" for each in (*found["wheels"], found["sdist"]))
    return program(borrowed(python, f"uv=={found['version']} {hashes}\n"), "uv")


def export(uv: Path, *what: str) -> str:
    """What the lock has for extras and groups, as lines that pip and uv install by, with hashes."""
    flags = ("--frozen", "--offline", "--no-config", "--no-header", "--no-annotate", "--no-emit-workspace", "--quiet")
    return call(uv, "export", *flags, "--no-default-groups", *what)


def resolve(uv: Path, python: Path, resolution: str, *what: str) -> str:
    """The same without the lock: the newest or the oldest that pyproject.toml allows, as of now."""
    flags = ("--no-header", "--no-annotate", "--generate-hashes", "--quiet", "--resolution", RESOLUTIONS[resolution])
    unwanted = [part for name in PROJECTS for part in ("--no-emit-package", name)]
    return call(uv, "pip", "compile", *flags, *unwanted, "--upgrade", "--python", python, *what)


def install(uv: Path, python: Path, asked: Path) -> None:
    """What a file lists, each checked against its hash: by uv, else by pip."""
    listed = ("--require-hashes", "--no-deps", "--requirement", asked)
    try:
        call(uv, "pip", "install", "--quiet", "--python", python, *listed)
    except subprocess.CalledProcessError:
        sys.stderr.write("uv could not install this; trying pip, which has a configuration of its own\n")
        call(python, *PIP, "install", *listed)


def is_of_this_python(folder: Path) -> bool:
    """Whether there is an environment, of the very version of Python that runs this."""
    try:
        lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return f"version = {platform.python_version()}" in lines


def make(folder: Path, options: argparse.Namespace) -> None:
    """An environment, from nothing or on top of what is in it."""
    old = is_of_this_python(folder)
    if not old:
        venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
    python = program(folder, "python")
    uv = get_uv(python)
    extras = [name for each in options.extra for name in each.split(",") if name]
    what = [part for name in extras for part in ("--extra", name)]
    if options.resolution == "locked":
        text = export(uv, "--package", options.package, *what)
    else:
        text = resolve(uv, python, options.resolution, *what, str(PROJECTS[options.package] / "pyproject.toml"))
    listed = folder / f"{'-'.join(['requirements', *extras])}.txt"
    if not listed.exists() or listed.read_text(encoding="utf-8") != text:
        if old and not options.add:
            venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
        asked = folder / "asked.txt"
        asked.write_text(text, encoding="utf-8")
        install(uv, python, asked)
        asked.replace(listed)
    if options.project != "none":
        folders = [str(PROJECTS[name]) for name in dict.fromkeys(("aftrun", options.package))]
        own = [part for each in folders for part in (["--editable", each] if options.project == "editable" else [each])]
        backend = borrowed(python, export(uv, "--only-group", "build"))
        flags = ("--no-index", "--no-deps", "--no-build-isolation", "--force-reinstall")
        call(python, *PIP, "install", *flags, *own, PYTHONPATH=str(backend))


def renew() -> None:
    """Write uv.lock anew: the newest of everything that pyproject.toml allows. It names no index but the public one."""
    environ = {name: "" for name in os.environ if name.startswith(("UV_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS"))}
    uv = get_uv(Path(sys.executable))
    call(uv, "lock", "--upgrade", "--no-config", "--default-index", PUBLIC, **environ)


def main(arguments: Sequence[str]) -> None:
    """Reads the command line."""
    reader = argparse.ArgumentParser(description="Make an environment of the versions in uv.lock.")
    reader.add_argument("folder", type=Path, nargs="?", help="the environment; what is there is replaced")
    reader.add_argument("--add", action="store_true", help="keep what is there")
    reader.add_argument("--extra", action="append", default=[], help="of the package; repeatable, or with commas")
    reader.add_argument("--package", choices=PROJECTS, default="aftrun", help="whose dependencies; default: aftrun")
    reader.add_argument("--project", choices=("editable", "copy", "none"), default="editable")
    reader.add_argument("--resolution", choices=("locked", *RESOLUTIONS), default="locked")
    reader.add_argument("--renew", action="store_true", help="renew uv.lock: the newest of everything that is allowed")
    options = reader.parse_args(arguments)
    try:
        if options.renew:
            renew()
        if options.folder is not None:
            make(options.folder.absolute(), options)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{Path(error.cmd[0]).name} ended with {error.returncode}; the command was: {shlex.join(error.cmd)}")


if __name__ == "__main__":
    main(sys.argv[1:])
