"""The container: its Dockerfile linted, and its steps followed by hand, since there may be no engine to build it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import aftrun
from aftrun.sandbox.server import Sandbox
from tests.conftest import ROOT, reach
from tests.packaging.tools import clean, missing, need_index, run, tool

DOCKERFILE = ROOT / "Dockerfile"
NOBODY = 10001


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, " ".join(rest.split())) for name, _, rest in pairs]


def context(target: Path) -> Path:
    """What a build is sent: the tree as `.dockerignore` leaves it, which lists what is let in."""
    lines = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    ]
    assert lines[0] == "*"
    assert lines[-1] == "**/__pycache__"
    target.mkdir()
    for name in (line.removeprefix("!") for line in lines[1:-1]):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    return target


def test_hadolint_finds_nothing() -> None:
    """The usual mistakes: unpinned tags, caches, last user root, shell pitfalls."""
    run([tool("hadolint"), "--failure-threshold", "style", DOCKERFILE])


def test_the_image_is_what_the_documents_say() -> None:
    """Two stages, a pinned tag, not root, state on a volume, the program as entrypoint."""
    found = instructions()
    named = dict(found)
    assert [rest for name, rest in found if name == "FROM"] == ["${PYTHON} AS build", "${PYTHON}"]
    assert re.fullmatch(r"PYTHON=python:3\.\d+-slim-\w+", found[0][1])
    assert named["USER"] == f"{NOBODY}:{NOBODY}"
    assert json.loads(named["ENTRYPOINT"]) == ["aftrun"]
    assert json.loads(named["VOLUME"]) == ["/state"]
    assert "AFTRUN_STATE_DIR=/state/record" in named["ENV"].split()  # below the home, which holds the key of marks
    assert named["COPY"].startswith("--from=build")
    labels = dict(each.split("=", 1) for each in shlex.split(named["LABEL"]))
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.fixture
def public() -> Iterator[Path]:
    """An empty folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="aftrun-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_its_build_step_makes_a_program_that_runs_as_its_user(sandbox: Callable[..., Sandbox], public: Path) -> None:
    """The RUN line of the first stage, with its paths moved; then a run as the image's user, on a read-only folder."""
    need_index()
    build = next(rest for name, rest in instructions() if name == "RUN")
    opt = public / "opt"
    said = run(
        [
            tool("sh"),
            "-e",
            "-c",
            build.replace("/opt/aftrun", str(opt)).replace("python tools", f"{sys.executable} tools", 1),
        ],
        cwd=context(public / "src"),
        env=clean(EXTRAS="", HOME=str(public)),
    )
    assert f"aftrun {aftrun.__version__}" in said
    assert not list((opt / "bin").glob("pip*")), "what is not needed to run is not there"

    if os.name != "posix" or os.geteuid() != 0:
        missing("only root can become the image's user")
    server = sandbox()
    state, work = public / "state", public / "work"
    state.mkdir()
    work.mkdir(mode=0o555)
    os.chown(state, NOBODY, NOBODY)
    (work / "job.yaml").write_text("scriptName: x\n", encoding="utf-8")
    env = {
        "PATH": f"{opt}/bin:/usr/bin:/bin",
        "HOME": str(state),
        "AFTRUN_STATE_DIR": str(state / "record"),
        "NO_PROXY": "*",
    }
    # Python itself may lie where only root can look, unlike in the image: hence the capability.
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    may_look = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    env |= {"AFT_API_KEY": server.api_key, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [tool(user[0]), *user[1:], *may_look, opt / "bin" / "aftrun", "apply", "job.yaml", *reach(server)]
    assert "succeeded" in run(command, cwd=work, env=env)
    assert (state / "record" / "state.db").stat().st_uid == NOBODY
    assert not (work / ".aftrun").exists()


@pytest.mark.parametrize("name", ["compose.yaml"])
def test_compose_follows_its_schema(name: str) -> None:
    """The schema of the Compose specification."""
    path = ROOT / "integrations" / "docker" / name
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path])
