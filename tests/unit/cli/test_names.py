"""The names that TAB offers out of manifests: those of large ones are kept, and hold for the same bytes only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aftrun.cli import names
from aftrun.system.userdata import cache_folder


def large(jobs: str = "", description: str = "a job") -> str:
    """A manifest that is kept."""
    many = "".join(f"  - {{name: job-{n}, scriptName: s, description: {description}}}\n" for n in range(400))
    text = f"name: big\nvars: {{year: '2026'}}\nservers: {{eu: {{url: 'https://127.0.0.1:1'}}}}\njobs:\n{many}{jobs}"
    assert len(text) > names.LARGE
    return text


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where names are kept, which is nowhere yet; the working directory is an empty folder beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache" / "aftrun" / "names"


def found(path: str = "m.yaml") -> list[str]:
    """The jobs that are offered."""
    return [name for each in names.of_files([path]) for name, _ in each.jobs]


def files(folder: Path) -> list[Path]:
    """What is kept."""
    return sorted(folder.glob("*")) if folder.exists() else []


def test_kept_names_are_the_same(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them; and the second time no manifest is loaded."""
    Path("m.yaml").write_text(large("  - {name: m, scriptName: s, matrix: {r: [eu, us]}, tags: [night]}\n"))
    first = names.of_files(["m.yaml"])
    assert len(files(kept)) == 1
    monkeypatch.setattr("aftrun.manifest.load_all", None)
    (again,) = names.of_files(["m.yaml"])
    assert [list(again.tags), list(again.variables), list(again.servers)] == [["night"], ["year"], ["eu"]]
    assert json.dumps([again]) == json.dumps(first)
    assert [list(again.jobs[0]), list(again.jobs[-1])] == [["job-0", "a job"], ["m", "s"]]


def test_other_bytes_are_read_anew(kept: Path) -> None:
    """Whatever the file's times and length say; of what it includes, too."""
    Path("part.yaml").write_text("jobs:\n  - {name: aaa, scriptName: s}\n")
    Path("m.yaml").write_text(large().replace("jobs:", "include: [part.yaml]\njobs:"))
    before = Path("part.yaml").stat()
    assert "aaa" in found()
    assert len(files(kept)) == 1
    Path("part.yaml").write_text("jobs:\n  - {name: bbb, scriptName: s}\n")
    os.utime("part.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "bbb" in found()
    assert "aaa" not in found()
    Path("m.yaml").write_text(large().replace("job-1,", "jab-1,"))
    assert "jab-1" in found()
    Path("m.yaml").write_text("jobs: [\n")
    assert found() == []
    Path("m.yaml").unlink()
    assert found() == []


def test_a_path_stands_for_the_file_that_it_names_now(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another folder, the same words are another manifest."""
    Path("m.yaml").write_text(large())
    Path("other").mkdir()
    Path("other/m.yaml").write_text(large().replace("job-", "jab-"))
    assert "job-1" in found()
    monkeypatch.chdir("other")
    assert "jab-1" in found()
    assert len(files(kept)) == 2


def test_what_is_small_or_a_folder_is_not_kept(kept: Path) -> None:
    """A folder may hold another file the next time."""
    Path("m.yaml").write_text("scriptName: x\n")
    assert found() == ["x"]
    Path("all").mkdir()
    Path("all/m.yaml").write_text(large())
    assert "job-1" in found("all")
    assert files(kept) == []
    Path("all/n.yaml").write_text("scriptName: x\n")
    assert "x" in found("all")


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "[1, 2, 3]", "[{}, 3]", '[{}, [["big"]]]', '[{"gone.yaml": ""}, []]', "\udcff"]
)
def test_what_is_damaged_is_made_anew(kept: Path, damage: str) -> None:
    """By a full disk, say, or another version."""
    Path("m.yaml").write_text(large())
    assert "job-1" in found()
    (file,) = files(kept)
    good = file.read_bytes()
    file.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert "job-1" in found()
    assert file.read_bytes() == good


@pytest.mark.skipif(os.name == "nt", reason="makes a named pipe")
def test_what_is_no_file_is_not_waited_for(kept: Path) -> None:
    """A pipe in its place would never end."""
    Path("m.yaml").write_text(large())
    assert "job-1" in found()
    (file,) = files(kept)
    file.unlink()
    os.mkfifo(file)
    assert "job-1" in found()
    assert file.is_file()


def test_nothing_need_be_kept(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be, names are looked up all the same."""
    Path("m.yaml").write_text(large())
    (tmp_path / "cache").write_text("a file, no folder")
    assert "job-1" in found()
    monkeypatch.setattr("aftrun.system.userdata.cache_folder", lambda: None)
    assert "job-1" in found()
    assert files(kept) == []


def test_the_oldest_make_way(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many manifests does not fill the disk."""
    monkeypatch.setattr(names, "MOST", 2)
    for number in range(4):
        Path(f"{number}.yaml").write_text(large())
        assert "job-1" in found(f"{number}.yaml")
        for file in files(kept):
            os.utime(file, ns=(10**9 * number, 10**9 * number))
    assert len(files(kept)) == 2


def test_another_version_reads_anew(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may find other names in the same bytes."""
    Path("m.yaml").write_text(large())
    assert "job-1" in found()
    monkeypatch.setattr("aftrun.__version__", "999.0")
    assert "job-1" in found()
    assert len(files(kept)) == 2


def test_no_value_from_outside_is_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's own words are, and nobody else may read even those."""
    monkeypatch.setenv("TOKEN", "s3cr3t-of-outside")
    Path("m.yaml").write_text(large("  - {scriptName: 'x ${TOKEN}'}\n"))
    assert found()
    (file,) = files(kept)
    assert "s3cr3t" not in file.read_text(encoding="utf-8")
    if os.name != "nt":
        assert file.parent.stat().st_mode & 0o077 == 0


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where each system has its caches."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path / "x")}, "linux") == tmp_path / "x" / "aftrun"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}, "linux") == tmp_path / ".cache" / "aftrun"
    assert cache_folder({}, "darwin") == tmp_path / "Library" / "Caches" / "aftrun"
    assert cache_folder({"LOCALAPPDATA": str(tmp_path)}, "win32") == tmp_path / "aftrun" / "cache"
