"""Variables by name, where a system tells names apart by case, and where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aftrun.cli.serverflags import KeyFlags
from aftrun.client import proxy
from aftrun.domain import environment
from aftrun.domain.environment import Environment
from aftrun.domain.errors import ManifestError
from aftrun.domain.values import Outside
from aftrun.manifest import bind, load_all, shown_names
from aftrun.manifest.envfile import with_env_files
from aftrun.manifest.outside import Noted
from aftrun.manifest.policy import OPEN, Governed
from aftrun.run.pins import pins
from aftrun.service.doctor import Doctor

TEXT = "server: {url: '${HOST}', apiKey: '${Key}'}\nscriptName: x\nparams: {a: '${MyVar}', b: '${PATH_TO}'}\n"


class OsEnviron(Mapping[str, str]):
    """`os.environ` as it is on Windows: names are kept in upper case, and found in any."""

    def __init__(self, **values: str) -> None:
        self._values = {name.upper(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.upper()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are compared as on Windows."""
    monkeypatch.setattr(environment, "FOLDS", True)


VALUES = {"host": "https://h", "KEY": "k", "myvar": "v", "Path_To": "p"}
ENVIRONS = {
    "the real one": OsEnviron(**VALUES),
    "a dict of it": dict(OsEnviron(**VALUES)),
    "a dict by hand": dict(VALUES),
    "over another": Environment({"MYVAR": "v"}, OsEnviron(**{**VALUES, "MyVar": "below"})),
    "noted": Noted(OsEnviron(**VALUES)),
}


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("kind", ENVIRONS)
def test_windows_knows_no_case(kind: str) -> None:
    """Whatever the environment has become on the way, a variable is found in any spelling."""
    loaded = load_all(["m.yaml"], read=lambda _: TEXT.encode()).manifests
    values = bind(loaded, ENVIRONS[kind])
    assert sorted(values.values()) == ["https://h", "k", "p", "v"]
    assert values == bind(loaded, ENVIRONS["the real one"])


@pytest.mark.parametrize("name", ["host", "key", "myvar", "path_to"])
def test_elsewhere_names_are_what_is_written(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One spelling is one variable."""
    monkeypatch.setattr(environment, "FOLDS", False)
    loaded = load_all(["m.yaml"], read=lambda _: TEXT.encode()).manifests
    right = {"HOST": "https://h", "Key": "k", "MyVar": "v", "PATH_TO": "p"}
    assert len(bind(loaded, right)) == 4
    wrong = {(name if each.lower() == name else each): value for each, value in right.items()}
    with pytest.raises(ManifestError) as caught:
        bind(loaded, wrong)
    assert [problem.code for problem in caught.value.problems] == ["AFT046"]


@pytest.mark.usefixtures("windows")
def test_the_environment_wins_over_an_env_file_in_any_case(tmp_path: Path) -> None:
    """And a later file over an earlier one, a later line over an earlier one."""
    (tmp_path / "a.env").write_text("myvar=file\nother=a\nTwice=1\ntwice=2\n", encoding="utf-8")
    (tmp_path / "b.env").write_text("OTHER=b\n", encoding="utf-8")
    found = with_env_files(OsEnviron(MyVar="environment"), [tmp_path / "a.env", tmp_path / "b.env"])
    assert found["MyVar"] == "environment"
    assert [found[name] for name in ("other", "Other", "TWICE")] == ["b", "b", "2"]
    assert sorted(map(str.lower, found)) == ["myvar", "other", "twice"]
    assert len(found) == 3
    assert "nothing" not in found


@pytest.mark.usefixtures("windows")
def test_doctor_finds_what_apply_finds() -> None:
    """Both are given the same environment; so is a command with `--api-key`."""
    outer = Governed(OPEN, OsEnviron(AFT_API_KEY="k", host="https://127.0.0.1:1"))
    (spec,) = load_all(["m.yaml"], read=lambda _: b"server: {url: '${Host}'}\nscriptName: x\n").manifests[0].servers
    for flags in (KeyFlags(), KeyFlags(api_key="given")):
        found = Doctor(spec, flags.environ(outer, "", needed=False)).examine()
        assert [check.message for check in found.checks if check.name == "settings"] == ["every value is there"]
    given_key = KeyFlags(api_key="given").environ(outer, "", needed=False)
    assert given_key["aft_api_key"] == "given"


@pytest.mark.usefixtures("windows")
def test_one_variable_is_one_value_in_every_spelling() -> None:
    """What is declared fit to show, what a run was begun with, and the default key go by the variable."""
    text = b"vars: {h: '${Host}'}\njobs: [{scriptName: x, params: {a: '${HOST}'}}]\n"
    loaded = load_all(["m.yaml"], read=lambda _: text).manifests
    assert shown_names(loaded) == {Outside("env", "hOST", "").key}
    values = bind(loaded, OsEnviron(host="h", aft_api_key="k"))
    assert sorted(values) == [("env", "AFT_API_KEY"), ("env", "HOST")]
    kept = pins(b"0" * 32, dict(values), [])["values"]
    assert isinstance(kept, dict)
    assert sorted(kept) == ["AFT_API_KEY", "HOST"]
    assert Outside("file", "Name", "").key != Outside("file", "name", "").key


def test_a_cgi_program_has_no_proxy_of_its_client_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """There `http_proxy` is HTTP_PROXY, which the client's `Proxy:` header would set."""
    given = OsEnviron(HTTP_PROXY="http://evil:1", REQUEST_METHOD="GET")
    monkeypatch.setattr(environment, "FOLDS", True)
    assert proxy.find("http", "example.com", 80, given) is None
    only = OsEnviron(HTTP_PROXY="http://good:1")
    found = proxy.find("http", "example.com", 80, only)
    assert found is not None
