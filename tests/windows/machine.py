"""A CPython 3.11 for Windows under Wine, with aftrun in it, out of a package index and Debian's packages alone.

PyPI has no interpreter, but its parts: `python311.dll` and the extension modules come with the wheel of panda3d (which
makes programs for Windows), the `.py` files of the standard library are those of any CPython 3.11, and two small DLLs
that Wine 8 lacks are compiled here. aftrun itself is this checkout; what it needs is of the versions in uv.lock.

It shows what a real Windows would refuse; what passes here may still fail there. Known of it: a command takes half a
second and more; there is no Ctrl-Break, no PowerShell and no Task Scheduler; Wine cannot look at files that Linux has
opened, so that programs in it talk through pipes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.environment import ROOT, call, export, get_uv

INTERPRETER = "panda3d==1.10.16 --hash=sha256:37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82\n"
DEBIAN = ("wine", "wine64", "gcc-mingw-w64-x86-64", "binutils-mingw-w64-x86-64", "mingw-w64-tools")
PROGRAMS = ("wine", "wineserver", "x86_64-w64-mingw32-gcc", "gendef")
PLATFORM = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11")
FOREIGN = ("--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp")
"""Windows, as uv and as pip call it."""
TESTING = (
    *("pytest", "pytest-xdist", "hypothesis", "cryptography", "junitparser", "xmlschema", "pyte", "filelock"),
    *("more-itertools", "markdown-it-py", "tap.py", "prometheus-client", "check-jsonschema", "tree-sitter-groovy"),
)
"""What tests need beside aftrun's extras; of the lock's versions."""
HOME = Path("drive_c", "users", "Jörg Müller", "Eigene Dateien")
"""Where a person works: a blank, and characters that no old code page of another country has."""

_PYTHON = """
#include <wchar.h>
int __declspec(dllimport) Py_Main(int, wchar_t **);
int wmain(int count, wchar_t **words) { return Py_Main(count, words); }
"""
_PRNG = """
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE at, SIZE_T left) {
  while (left) {
    ULONG part = left > 0x10000 ? 0x10000 : (ULONG)left;
    if (!SystemFunction036(at, part)) return FALSE;
    at += part;
    left -= part;
  }
  return TRUE;
}
"""
"""bcryptprimitives.dll, of which Rust's standard library (cryptography, rpds) wants this one function."""
_LAUNCHER = """# -*- coding: utf-8 -*-
import sys
from aftrun.__main__ import main
if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit(main())
"""
_NOT_NEEDED = shutil.ignore_patterns(
    *(
        "site-packages",
        "__pycache__",
        "test",
        "tests",
        "lib-dynload",
        "config-3.11*",
        "idlelib",
        "tkinter",
        "turtledemo",
    ),
    "_sysconfigdata*",
)


class Missing(Exception):
    """Something that the machine is made of is not there. The message says what."""


class Machine:
    """The set-up in a folder outside the checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.prefix = self.root / "prefix"
        self.python = self.prefix / "drive_c" / "Python311"
        self.home = self.prefix / HOME

    def environ(self, **extra: str) -> dict[str, str]:
        """The environment of programs in it. Of this one's, only what Wine needs."""
        keep = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return {
            **keep,
            "LC_ALL": "C.UTF-8",
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            "WINEARCH": "win64",
            "WINEDLLOVERRIDES": "mscoree=;mshtml=",
            "PYTHONDONTWRITEBYTECODE": "1",
            **extra,
        }

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program in it."""
        return ["wine", *words]

    def run(self, *words: str) -> str:
        """What a program in it printed, stdout and stderr together."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode:
            raise Missing(f"{' '.join(words)} ended with {done.returncode}:\n{text}")
        return text

    @contextmanager
    def started(self, host: Path) -> Iterator[None]:
        """Make it or bring it up to date, keep it awake while programs come and go, and end all that is left.

        Wine's own services start with the first program and end with the last, and inherit what the first had open: its
        pipes would not end before any other program did, and each program alone would pay for a start of everything.
        So one that nobody listens to comes first and goes last. `host` is a CPython 3.11 of this system.

        Raises:
            Missing: a program of `PROGRAMS`, or a package.
            subprocess.CalledProcessError: a part cannot be fetched or made.
        """
        absent = [each for each in PROGRAMS if shutil.which(each) is None]
        if absent:
            raise Missing(f"{', '.join(absent)} are not there; as root: apt-get install {' '.join(DEBIAN)}")
        if sys.version_info[:2] != (3, 11):
            raise Missing(
                f"it is made of CPython 3.11, and this is {sys.version.split()[0]}; try make PYTHON=python3.11"
            )
        self.root.mkdir(parents=True, exist_ok=True)
        with self._quiet("wine", "cmd", stdin=subprocess.PIPE):  # it reads lines until its input ends
            try:
                with self._quiet("wine", "cmd", "/c", "exit") as first:
                    if first.wait():
                        raise Missing(f"Wine does not start in {self.prefix}")
                self._make(host)
                yield
            finally:
                with self._quiet("wineserver", "-k"):
                    pass

    def _quiet(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """A program that prints to nobody."""
        return subprocess.Popen(
            words, env=self.environ(), stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _make(self, host: Path) -> None:
        recipe = hashlib.sha256(Path(__file__).read_bytes() + (ROOT / "uv.lock").read_bytes()).hexdigest()
        done = self.root / "recipe"
        if not done.exists() or done.read_text(encoding="ascii") != recipe:
            shutil.rmtree(self.python, ignore_errors=True)
            self._interpreter(host)
            self._libraries(host)
            # Here, where it is quicker: compiled modules of one version of Python are the same everywhere.
            places = ("-s", self.python, "-p", "C:\\Python311")
            subprocess.run([host, "-m", "compileall", "-qq", "-j0", *places, self.python / "Lib"], check=False)
            self._person()
            done.write_text(recipe, encoding="ascii")
        self.home.mkdir(parents=True, exist_ok=True)
        self._aftrun()

    def _interpreter(self, host: Path) -> None:
        parts, scratch = self.root / "parts", self.root / "scratch"
        for folder in (parts, scratch):
            folder.mkdir(exist_ok=True)
        asked = scratch / "interpreter.txt"
        asked.write_text(INTERPRETER, encoding="ascii")
        if not list(parts.glob("*.whl")):
            wanted = ("--no-deps", "--require-hashes", "-r", asked, "-d", parts)
            call(host, "-m", "pip", "-q", "download", *FOREIGN, *wanted)
        dlls = self.python / "DLLs"
        dlls.mkdir(parents=True)
        with zipfile.ZipFile(next(parts.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                file = Path(name)
                if file.parts[0] != "deploy_libs" or not file.suffix:
                    continue
                if file.name in ("python311.dll", "VCRUNTIME140.dll"):
                    (self.python / file.name).write_bytes(wheel.read(name))
                elif file.suffix == ".pyd" or file.stem in ("libffi-8", "libcrypto-3", "libssl-3", "sqlite3"):
                    (dlls / file.name).write_bytes(wheel.read(name))
        shutil.copytree(sysconfig.get_paths()["stdlib"], self.python / "Lib", ignore=_NOT_NEEDED)
        # The DLL is 3.11.9, which calls this as what it was meant to be; before 3.11.8 it lacked a word.
        metadata = self.python / "Lib" / "importlib" / "metadata" / "__init__.py"
        text, method = metadata.read_text(encoding="utf-8"), "    def invalidate_caches(cls)"
        if f"@classmethod\n{method}" not in text:
            metadata.write_text(text.replace(method, f"    @classmethod\n{method}"), encoding="utf-8")
        self._compile(scratch)

    def _compile(self, scratch: Path) -> None:
        """python.exe, which starts the DLL; python3.dll, which forwards to it; and what Wine lacks."""
        gcc = "x86_64-w64-mingw32-gcc"
        exports = call("gendef", "-", self.python / "python311.dll")
        (scratch / "python311.def").write_text(exports, encoding="ascii")
        names = exports.partition("EXPORTS")[2].split("\n")[1:]
        forwards = [
            f"{parts[0]} = python311.{parts[0]}" + (" DATA" if "DATA" in parts else "")
            for each in names
            if (parts := each.split()) and not each.startswith(";")
        ]
        (scratch / "python3.def").write_text("LIBRARY python3.dll\nEXPORTS\n" + "\n".join(forwards), encoding="ascii")
        (scratch / "python.c").write_text(_PYTHON, encoding="ascii")
        (scratch / "prng.c").write_text(_PRNG, encoding="ascii")
        (scratch / "none.c").write_text("int __stdcall DllMain(void *a, unsigned long b, void *c) { return 1; }\n")
        library = scratch / "libpython311.a"
        call("x86_64-w64-mingw32-dlltool", "-d", scratch / "python311.def", "-l", library, "-D", "python311.dll")
        call(gcc, "-municode", "-O2", "-o", self.python / "python.exe", scratch / "python.c", library)
        prng = self.python / "bcryptprimitives.dll"
        call(gcc, "-shared", "-O2", "-o", prng, scratch / "prng.c", "-ladvapi32")
        alone = ("-shared", "-nostdlib", "-Wl,--entry=DllMain")
        call(gcc, *alone, "-o", self.python / "python3.dll", scratch / "none.c", scratch / "python3.def")

    def _libraries(self, host: Path) -> None:
        """Everything that aftrun and its tests need, of the versions in the lock, as wheels for Windows."""
        uv, scratch = get_uv(host), self.root / "scratch"
        locked = export(uv, "--package", "aftrun", "--extra", "dev", "--no-hashes")
        (scratch / "locked.txt").write_text(locked, encoding="utf-8")
        ours = f"aftrun[all] @ {ROOT.as_uri()}"
        (scratch / "asked.txt").write_text("\n".join((ours, *TESTING)), encoding="utf-8")
        asked = ("--constraint", scratch / "locked.txt", scratch / "asked.txt")
        flags = ("-q", "--no-header", "--no-annotate", "--no-emit-package", "aftrun", "--python", host)
        listed = scratch / "list.txt"
        listed.write_text(call(uv, "pip", "compile", *PLATFORM, *flags, *asked), encoding="utf-8")
        wanted = ("--no-deps", "--target", self.python / "Lib" / "site-packages", "-r", listed)
        try:
            call(uv, "pip", "install", "-q", *PLATFORM, "--only-binary", ":all:", *wanted)
        except subprocess.CalledProcessError:  # an index that only pip's own configuration knows
            call(host, "-m", "pip", "-q", "install", *FOREIGN, "--only-binary", ":all:", *wanted)

    def _person(self) -> None:
        """As a user has it: Windows 10, with Python and its programs on PATH."""
        for key, *value in (
            (r"HKCU\Software\Wine", "/v", "Version", "/d", "win10"),
            (r"HKCU\Environment", "/v", "PATH", "/t", "REG_EXPAND_SZ", "/d", r"C:\Python311\Scripts;C:\Python311"),
        ):
            self.run("reg", "add", key, *value, "/f")

    def _aftrun(self) -> None:
        """The checkout, in a folder of its own, and the program as pip installs it."""
        source = self.prefix / "drive_c" / "src"
        shutil.rmtree(source, ignore_errors=True)
        for name in call("git", "ls-files", "-co", "--exclude-standard", "-z").split("\0"):
            if name and (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, source / name)
        (self.python / "Lib" / "site-packages" / "aftrun.pth").write_text("C:\\src\n", encoding="ascii")
        # pip is in every environment of ours, and has the beginning of such programs.
        spec = importlib.util.find_spec("pip")
        if spec is None or spec.origin is None:
            raise Missing("pip")
        stub = Path(spec.origin).parent / "_vendor" / "distlib" / "t64.exe"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as zipped:
            zipped.writestr("__main__.py", _LAUNCHER)
        scripts = self.python / "Scripts"
        scripts.mkdir(exist_ok=True)
        shebang = b"#!C:\\Python311\\python.exe\r\n"
        (scripts / "aftrun.exe").write_bytes(stub.read_bytes() + shebang + packed.getvalue())
