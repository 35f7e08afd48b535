"""What `aftrun import` says a bash script sends, held against what bash itself does with it.

Each script ends in sending `$N`. What was imported has to be just that, or say that it is not known.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aftrun.importer.marks import first_unknown, pieces
from aftrun.importer.read import read_text

CALL = 'curl https://h/v1/jobs -d "{\\"scriptName\\":\\"$N\\"}"'
OUTSIDE = {"OUT": "from outside", "HOME": "/home/someone"}

KNOWN = [
    "N=a; N+=b",
    "N=old; N=new true; N=$N-$OUT",
    "N=x; (N=y)",
    "N=x; echo | { N=y; }",
    "N=x; N=y & wait",
    "N=x & wait; N=${N:-gone}",
    "N=x; N=y | cat",
    "f() { N=in; }; N=out; f",
    "f() { N=in; }; N=out; (f)",
    "f() { local N=in; }; N=out; f",
    "f() { N=$2; }; f a b",
    "f() { set -- p q; N=$2; }; f a b",
    'f() { N="$*"; }; f a b',
    "N=x || exit 1",
    "cd / || exit 1; N=x",
    'N=x; true || { echo bad; exit 1; }; N="$N!"',
    "A=1 && N=$A",
    "N=$(echo a; echo b | tr b c >/dev/null; true)",
    "N=$(printf a; printf b)",
    "N=a$(echo b >/dev/null)",
    "N=a$(echo b 1>&2)",
    "N=a$(echo b 2>/dev/null)",
    "N=$(cd /; echo b)",
    "N=~",
    "N=~/x",
    'N="~/x"',
    "N=a~",
    ': "${N:=dflt}"',
    "IFS=$'\\n\\t'; A='a b'; for N in $A; do true; done; N=$A",
    "A=(x y); A+=(z); N=${A[2]}",
    "N=x; { read N; } 2>/dev/null </dev/null; N=$OUT",
    "N=foo.txt; N=${N%.txt}",
]
"""What bash does is plain, and is what is imported."""

NOT_KNOWN = [
    "n=1; ((n++)); N=a$n",
    "n=1; let n=n+1; N=a$n",
    "n=1; j=$((n++)); N=a$n",
    "n=1; echo $((n+=4)); N=a$n",
    "n=3; [[ $((n--)) -gt 0 ]]; N=a$n",
    "n=9; for ((n=0;n<2;n++)); do :; done; N=a$n",
    "n=0; while ((n < 2)); do ((n+=1)); done; N=a$n",
    "printf -v N 'x-%s' a",
    "N=old; printf -v N new",
    "N=old; read -r N <<< abc",
    "N=old; IFS=: read -r N M <<< a:b",
    "N=old; mapfile -t N <<< q",
    "N=old; eval 'N=new'",
    "N=old; while read -r l; do N=$l; done < <(echo q)",
    "declare -u N=abc",
    "declare -l N; N=ABC",
    "declare -i N=3+4",
    "declare -n R=M; M=x; N=$R",
    "A=([2]=x [0]=y); N=${A[0]}",
    "A=(x y z); N=${A[@]:1:1}",
    "A=(x y); unset 'A[0]'; N=${A[@]}",
    "IFS=,; A=x,y; for N in $A; do break; done",
    "N=x; false && N=y",
    "N=x; true || N=y",
    'N=x; [ -n "$OUT" ] && N=y',
    "f() { N=1; if [ $1 = a ]; then return; fi; N=2; }; f a",
    "f() { shift; N=$1; }; f a b",
    "N=$(TZ=Asia/Tokyo date +%H)",
    "export TZ=Asia/Tokyo; N=$(date +%H)",
    "N=$(cat <<< `echo q`)",
    "N=$(echo a | tr a b)",
    "N=$( { echo a; echo b; } | tail -1 )",
]
"""What only running it tells; imported is that it is not known, or just what bash sends."""


def sent_by_bash(script: str, folder: Path) -> list[str]:
    """What `$N` holds each time bash comes to a call."""
    log = folder / "log"
    call = f'printf "%s\\n" "$N" >> {log}'
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-c", f"{script}\n{call}\n"],
        env={"PATH": "/usr/bin:/bin", **OUTSIDE},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert log.is_file(), done.stderr
    return log.read_text(encoding="utf-8").splitlines()


def imported_of(script: str) -> str | None:
    """The name of the script that is imported; None where it is not known."""
    (job,) = read_text("x.sh", f"{script}\n{CALL}\n", _no_file).jobs
    if first_unknown(job.script):
        return None
    return "".join(part if isinstance(part, str) else _outside(part.text) for part in pieces(job.script))


def _no_file(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def _outside(reference: str) -> str:
    name, _, default = reference[2:-1].partition(":-")
    return OUTSIDE.get(name, default)


@pytest.mark.parametrize("script", KNOWN)
def test_what_is_plain_is_imported_as_bash_sends_it(script: str, tmp_path: Path) -> None:
    """Processes of their own, functions, lists, redirections, home folders."""
    assert sent_by_bash(script, tmp_path) == [imported_of(script)]


@pytest.mark.parametrize("script", NOT_KNOWN)
def test_what_only_running_it_tells_is_never_imported_as_another_value(script: str, tmp_path: Path) -> None:
    """Arithmetic, builtins that set variables, forms that `declare` gives, ways that may not be taken."""
    found = imported_of(script)
    assert found is None or [found] == sent_by_bash(script, tmp_path)
