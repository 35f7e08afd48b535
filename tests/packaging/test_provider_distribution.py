"""aftrun-airflow as a distribution: aftrun's version, exactly that aftrun, and the same bytes each time."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import aftrun
from tests.conftest import ROOT
from tests.packaging.conftest import build
from tests.packaging.tools import clean, copy_tree, run, tool

HOME = ROOT / "integrations" / "airflow"
Packages = tuple[Path, Path]


def metadata(wheel: Path) -> Message:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def needs(wheel: Path) -> set[str]:
    """What is installed with it, without its extras."""
    return {each for each in metadata(wheel).get_all("Requires-Dist") or () if "extra ==" not in each}


def test_it_needs_the_aftrun_of_its_own_version(provider: Packages) -> None:
    """And Airflow, and what its command line is made with."""
    assert metadata(provider[0])["Version"] == aftrun.__version__
    assert needs(provider[0]) == {f"aftrun=={aftrun.__version__}", "apache-airflow<4,>=3.3", "typer>=0.27"}


def test_the_version_has_one_place(tmp_path: Path) -> None:
    """A release changes it in aftrun, and both the version and the pin follow; from an sdist, too."""
    tree = copy_tree(tmp_path / "tree", without=("tests", "docs", "benchmarks"))
    place = tree / "aftrun" / "__init__.py"
    place.write_text(place.read_text("utf-8").replace(f'"{aftrun.__version__}"', '"9.8.7"'), encoding="utf-8")
    wheel, sdist = build(tree / "integrations" / "airflow", tmp_path / "dist")
    assert (metadata(wheel)["Version"], sdist.name) == ("9.8.7", "aftrun_airflow-9.8.7.tar.gz")
    assert "aftrun==9.8.7" in needs(wheel)


def test_the_wheel_holds_the_package_and_nothing_else(provider: Packages) -> None:
    """Every module of the tree, the mark that it is typed, the license, and what Airflow and pip look for."""
    with zipfile.ZipFile(provider[0]) as archive:
        names = set(archive.namelist())
        about = f"aftrun_airflow-{aftrun.__version__}.dist-info/"
        entries = archive.read(f"{about}entry_points.txt").decode()
    package = {path.relative_to(HOME).as_posix() for path in (HOME / "aftrun_airflow").glob("*.py")}
    assert {name for name in names if not name.startswith(about)} == package | {"aftrun_airflow/py.typed"}
    assert f"{about}licenses/LICENSE" in names
    assert "[apache_airflow_provider]\nprovider_info = aftrun_airflow.provider:get_provider_info" in entries
    assert "[console_scripts]\naftrun-airflow = aftrun_airflow.cli:main" in entries
    assert (HOME / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_two_builds_are_the_same_bytes(provider: Packages, tmp_path: Path) -> None:
    """Another folder, other times, another umask; and the wheel of the tree is the wheel of the sdist."""
    tree = shutil.copytree(provider[0].parents[1] / "tree", tmp_path / "elsewhere" / "deeper") / "integrations/airflow"
    for path in tree.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        if path.is_file() and not path.stat().st_mode & 0o100:
            path.chmod(0o600)
    before = os.umask(0o077)
    try:
        again = build(tree, tmp_path / "dist")
        (straight,) = build(tree, tmp_path / "straight", "--wheel")
    finally:
        os.umask(before)
    for one, other in zip((*provider, provider[0]), (*again, straight), strict=True):
        assert one.read_bytes() == other.read_bytes(), f"{one.name} depends on more than its sources"


def test_the_sdist_builds_without_aftruns_tree(provider: Packages, tmp_path: Path) -> None:
    """Whoever has nothing but the sdist gets the same wheel."""
    with tarfile.open(provider[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (wheel,) = build(next(tmp_path.iterdir()), tmp_path / "dist", "--wheel")
    assert wheel.read_bytes() == provider[0].read_bytes()


def test_the_linters_of_packages_find_nothing(provider: Packages) -> None:
    """`twine check --strict` and `check-wheel-contents`."""
    checked = run([tool("twine"), "check", "--strict", *provider], env=clean(NO_COLOR="1"))
    assert checked.count("PASSED") == 2
    assert run([tool("check-wheel-contents"), "--no-config", provider[0]]).strip().endswith("OK")


def test_aftrun_knows_nothing_of_airflow(packages: Packages) -> None:
    """No module, no extra, no entry point."""
    with zipfile.ZipFile(packages[0]) as archive:
        names = archive.namelist()
        about = b"".join(archive.read(each) for each in names if each.endswith("entry_points.txt"))
    assert [name for name in names if "airflow" in name.lower()] == []
    assert b"airflow" not in about
    assert not {each for each in metadata(packages[0]).get_all("Requires-Dist") or () if "airflow" in each}


def test_a_dag_file_is_made_where_no_airflow_is(installed: Path, provider: Packages, tmp_path: Path) -> None:
    """The README's way: aftrun with what it needs, and of aftrun-airflow only itself."""
    beside = tmp_path / "beside"
    run([installed / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--target", beside, provider[0]])
    (tmp_path / "m.yaml").write_text("scriptName: My Backup Job\n", encoding="utf-8")
    program = beside / ("Scripts" if os.name == "nt" else "bin") / "aftrun-airflow"
    said = run([program, "export", "m.yaml"], cwd=tmp_path, env=clean(PYTHONPATH=str(beside)))
    assert "from aftrun_airflow import AftJobOperator" in said
    assert 'script_name="My Backup Job"' in said
