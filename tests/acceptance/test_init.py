"""`aftrun init` and `aftrun explain`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run


def test_the_starter_works(aftrun: Run, tmp_path: Path) -> None:
    """What it writes validates under --strict and succeeds in the sandbox, as its own comments say."""
    done = aftrun("init")
    assert done.code == 0, done.err
    assert done.out == ""
    assert aftrun("validate", "--strict", "aft.yaml").code == 0
    assert "aftrun apply aft.yaml --sandbox" in (tmp_path / "aft.yaml").read_text()
    done = aftrun("apply", "aft.yaml", "--sandbox")
    assert done.code == 0, done.err
    assert done.report()["summary"]["succeeded"] == 3


def test_it_overwrites_nothing(aftrun: Run, tmp_path: Path) -> None:
    """A file that is there stays, unless --force is given; a folder is refused."""
    (tmp_path / "mine.yaml").write_text("scriptName: x\n")
    done = aftrun("init", "mine.yaml")
    assert done.code == 2
    assert "--force" in done.err
    assert (tmp_path / "mine.yaml").read_text() == "scriptName: x\n"
    assert aftrun("init", "mine.yaml", "--force").code == 0
    assert "backup" in (tmp_path / "mine.yaml").read_text()
    assert aftrun("init", ".").code == 2
    (tmp_path / "link.yaml").symlink_to("nowhere")
    assert aftrun("init", "link.yaml").code == 2
    assert (tmp_path / "link.yaml").is_symlink()


def test_a_dash_prints(aftrun: Run, tmp_path: Path) -> None:
    """`-` writes no file; what it prints validates from standard input."""
    done = aftrun("init", "-")
    assert done.code == 0
    assert aftrun("validate", "--strict", "-", stdin=done.out).code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["2026.yaml", "null.yaml", "it's #1: a.yaml", "sub/deep.yml"])
def test_any_file_name(aftrun: Run, name: str) -> None:
    """The manifest is called after the file, whatever that is called."""
    assert aftrun("init", name).code == 0
    done = aftrun("validate", "--strict", name)
    assert done.code == 0, done.err


def test_explain(aftrun: Run) -> None:
    """A code, in whatever spelling, is explained; without one all are listed; unknown ones get a guess."""
    pages = {aftrun("explain", code).out for code in ("AFT021", "aft021", "21")}
    assert len(pages) == 1
    assert "did you mean" not in pages.pop()
    assert aftrun("explain").out.startswith("AFT001  not valid YAML\n")
    assert "there is no key ''" in aftrun("explain", "").err
    done = aftrun("explain", "AFT020x")
    assert done.code == 2
    assert "did you mean 'AFT020'?" in done.err
