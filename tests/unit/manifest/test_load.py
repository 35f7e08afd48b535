"""Files, folders, standard input, names, variables, and settings from outside."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.model import Manifest
from aftrun.manifest import Loaded, load_all
from aftrun.manifest.build import graph, jobs, matrix
from tests.steps import growth


def text(content: str, **options: object) -> Loaded:
    """Load one file that is not on the disk."""
    return load_all(["f.yaml"], read=lambda _: content.encode(), **options)  # type: ignore[arg-type] # passed through


def manifest(content: str, **options: object) -> Manifest:
    """The one manifest of a text."""
    return text(content, **options).manifests[0]


def faults(content: str, **options: object) -> list[str]:
    """The codes of a text's problems."""
    with pytest.raises(ManifestError) as caught:
        text(content, **options)
    return [problem.code for problem in caught.value.problems]


def test_folders_and_order(tmp_path: Path) -> None:
    """A folder stands for its manifests, sorted; a file that was named twice is loaded once.

    What begins with a dot is none of them, as for `*.yaml` in a shell: an editor's copy, the policy that lies there.
    """
    for name in ("b.yaml", "a.yml", "c.json", "d.txt", ".aftrun-policy.yaml", "._a.yml"):
        (tmp_path / name).write_text('{"scriptName": "x"}')
    (tmp_path / "e.yaml").mkdir()
    loaded = load_all([str(tmp_path), str(tmp_path / "b.yaml")])
    assert [each.name for each in loaded.manifests] == ["a", "b", "c"]
    assert [path for path, _ in loaded.files] == [str(tmp_path / name) for name in ("a.yml", "b.yaml", "c.json")]


@pytest.mark.parametrize("second", ["./jobs", "link", "jobs/a.yaml", "hard.yaml", "jobs/../jobs", "{}/jobs", "jobs"])
def test_one_file_in_two_spellings_is_one_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    """What counts is the file, not how its path is written; that it was named twice is said."""
    monkeypatch.chdir(tmp_path)
    Path("jobs").mkdir()
    Path("jobs/a.yaml").write_text("scriptName: x\n")
    if second == "link":
        Path("link").symlink_to("jobs", target_is_directory=True)
    os.link("jobs/a.yaml", "hard.yaml")
    loaded = load_all(["jobs", second.format(tmp_path)])
    assert [each.path for each in loaded.manifests] == [str(Path("jobs", "a.yaml"))]
    (note,) = loaded.notes
    assert note.endswith("; it is taken once")
    assert str(Path("jobs", "a.yaml")) in note


@pytest.mark.parametrize(
    ("own", "typed"),
    [("night.yaml", "NIGHT.YAML"), ("Night.yml", "night.yml"), ("n\u00e4chtlich.yaml", "na\u0308chtlich.yaml")],
)
def test_a_manifest_is_called_as_its_folder_has_it(tmp_path: Path, own: str, typed: str) -> None:
    """Where another spelling opens it at all. With `once`, another name would be another job, and run a second time."""
    (tmp_path / own).write_text("scriptName: x\n")
    if (tmp_path / typed).exists():
        (manifest,) = load_all([str(tmp_path / typed)]).manifests
        assert (manifest.name, manifest.path) == (Path(own).stem, str(tmp_path / own))
    else:
        with pytest.raises(UsageError, match="no file"):
            load_all([str(tmp_path / typed)])
        (tmp_path / typed).write_text("scriptName: y\n")
    (manifest,) = load_all([str(tmp_path / own)]).manifests
    assert (manifest.name, manifest.path) == (Path(own).stem, str(tmp_path / own))


def test_a_file_system_that_takes_any_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS has it: acted by links, which its listing leaves out."""
    (tmp_path / "Night.yaml").write_text("scriptName: x\n")
    listed = ["Night.yaml"]
    for typed in ("night.yaml", "nIGHT.YAML", "NIGHT.YAML"):
        (tmp_path / typed).hardlink_to(tmp_path / "Night.yaml")
    monkeypatch.setattr(os, "listdir", lambda _folder: listed)
    for typed in ("night.yaml", "NIGHT.YAML", "Night.yaml"):
        (manifest,) = load_all([str(tmp_path / typed)]).manifests
        assert (manifest.name, manifest.path) == ("Night", str(tmp_path / "Night.yaml"))


def test_standard_input_that_does_not_wait_is_waited_for(tmp_path: Path) -> None:
    """A part of a manifest that is still on its way must not be taken for all of it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"scriptName: x\n---\n")

    def rest() -> None:
        os.write(writing, b"scriptName: y\n")
        os.close(writing)

    class Late(io.FileIO):
        """What has come so far, and the rest once somebody has come again and waits for it."""

        reads = 0

        def readinto(self, buffer: Any, /) -> int:
            self.reads += 1
            if self.reads == 2 and os.get_blocking(reading):
                rest()
            return super().readinto(buffer)

    with Late(reading) as raw, io.BufferedReader(raw) as stdin:
        loaded = load_all(["-"], stdin=stdin)
    assert len(loaded.manifests) == 2


def test_a_copy_is_another_manifest(tmp_path: Path) -> None:
    """Equal contents make no file the same."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("scriptName: x\n")
    loaded = load_all([str(tmp_path)])
    assert len(loaded.manifests) == 2
    assert loaded.notes == ()


def test_standard_input_named_twice_or_named_as_a_file_too(tmp_path: Path) -> None:
    """`- -` is one manifest, and so is `- m.yaml` where standard input comes from that file."""
    assert len(load_all(["-", "-"], stdin=io.BytesIO(b"scriptName: x")).manifests) == 1
    path = tmp_path / "m.yaml"
    path.write_text("scriptName: x\n")
    with path.open("rb") as stdin:
        loaded = load_all(["-", str(path)], stdin=stdin)
    assert [each.path for each in loaded.manifests] == ["-"]
    assert loaded.notes == (f"{path} is - again; it is taken once",)


def test_an_include_of_itself_under_another_name_is_a_circle(tmp_path: Path) -> None:
    """A link to the file that includes it, directly or on the way, is that file."""
    (tmp_path / "top.yaml").write_text("include: self.yaml\njobs: [{scriptName: x}]\n")
    (tmp_path / "self.yaml").hardlink_to(tmp_path / "top.yaml")
    with pytest.raises(ManifestError) as caught:
        load_all([str(tmp_path / "top.yaml")])
    (problem,) = caught.value.problems
    assert problem.code == "AFT055"
    assert "circle" in problem.message


def test_an_include_in_two_spellings_is_included_once_now_and_from_the_record(tmp_path: Path) -> None:
    """Its jobs come once; and the files that were kept with a run say so too, where there is no disk to ask."""
    (tmp_path / "base.yaml").write_text("jobs: [{name: b, scriptName: x}]\n")
    (tmp_path / "link.yaml").hardlink_to(tmp_path / "base.yaml")
    top = tmp_path / "top.yaml"
    top.write_text("include: [base.yaml, link.yaml]\njobs: [{scriptName: y}]\n")
    loaded = load_all([str(top)])
    names = [job.name for job in loaded.manifests[0].jobs]
    assert names == ["b", "y"]
    kept = dict(loaded.files)
    again = load_all([str(top)], read=lambda path: kept[path])
    assert [job.name for job in again.manifests[0].jobs] == names


def test_usage_errors(tmp_path: Path) -> None:
    """What is wrong with the arguments is said before anything is read."""
    with pytest.raises(UsageError, match="no file"):
        load_all([str(tmp_path / "missing.yaml")])
    with pytest.raises(UsageError, match="holds no manifest"):
        load_all([str(tmp_path)])
    with pytest.raises(UsageError, match="there is none"):
        load_all(["-"])
    with pytest.raises(UsageError, match="no manifest was given"):
        load_all([])
    with pytest.raises(UsageError, match="cannot be read"):
        load_all(["gone"], read=_gone)


def _gone(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file", path)


def test_standard_input() -> None:
    """`-` is standard input; its manifest is called stdin."""
    (found,) = load_all(["-"], stdin=io.BytesIO(b"scriptName: x")).manifests
    assert (found.name, found.path) == ("stdin", "-")


def test_loading_again_from_the_copy(tmp_path: Path) -> None:
    """What was read, includes too, is enough to load the same again when the files are gone."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "common.yaml").write_text("vars: {a: b}\njobs: [{name: first, scriptName: x}]\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: sub/common.yaml\n---\nscriptName: y\n")
    loaded = load_all([str(top)])
    top.unlink()
    (tmp_path / "sub" / "common.yaml").unlink()
    copy = dict(loaded.files)
    again = load_all([str(top)], read=lambda path: copy[path])
    assert again == loaded
    assert [len(each.jobs) for each in again.manifests] == [1, 1]


def test_every_problem_of_every_file(tmp_path: Path) -> None:
    """One error holds the problems of all files, each in its order."""
    (tmp_path / "a.yaml").write_text("jobs:\n  - {scriptName: x, nope: 1}\n  - {}\n")
    (tmp_path / "b.yaml").write_text("scriptName: '\n")
    (tmp_path / "c.yaml").write_text("scriptId: x\n")
    with pytest.raises(ManifestError) as caught:
        load_all([str(tmp_path)])
    found = [(Path(p.path).name, p.line, p.code) for p in caught.value.problems]
    assert found == [
        ("a.yaml", 2, "AFT021"),
        ("a.yaml", 3, "AFT023"),
        ("b.yaml", 1, "AFT001"),
        ("c.yaml", 1, "AFT101"),
    ]
    assert len(caught.value.files) == 3


def test_names_that_collide() -> None:
    """Names from files get a number in silence; names that were given get one and a warning."""
    loaded = text("scriptName: x\n---\nscriptName: y\n---\nname: f-2\njobs: [{scriptName: z}]\n")
    assert [each.name for each in loaded.manifests] == ["f", "f-3", "f-2"]
    assert loaded.warnings == ()
    loaded = text("name: a\njobs: [{scriptName: x}]\n---\nname: a\njobs: [{scriptName: x}]\n")
    assert [each.name for each in loaded.manifests] == ["a", "a-2"]
    assert [(problem.code, problem.line) for problem in loaded.warnings] == [("AFT109", 4)]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("first", ["", ", once: today"])
def test_a_name_that_two_share_is_no_place_for_once(first: str, *, named: bool) -> None:
    """By their order one would pass for the other in the next run; it does not matter where the name came from."""
    name = "name: a\n" if named else ""
    content = f"{name}jobs: [{{scriptName: x{first}}}]\n---\n{name}jobs: [{{scriptName: y, once: today}}]\n"
    with pytest.raises(ManifestError) as caught:
        text(content)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("AFT064", 4 if named else 3)
    assert text(content.replace(", once: today}]\n", "}]\n")).manifests


def test_variables() -> None:
    """--var overrides as it stands; a name that nobody declares is refused with a guess."""
    content = "vars: {year: 2026}\njobs: [{scriptName: x, description: 'of ${{ vars.year }}'}]\n"
    found = manifest(content, variables={"year": "${X} $$"})
    assert found.vars == (("year", "${X} $$"),)
    assert found.jobs[0].description == "of ${X} $$"
    with pytest.raises(UsageError) as caught:
        text(content, variables={"yaer": "1"})
    assert "yaer" in caught.value.message
    assert caught.value.hint == "did you mean 'year'?"


def test_settings_from_outside(tmp_path: Path) -> None:
    """Settings are expanded when there is an environment, and keep their defaults while there is none."""
    (tmp_path / "t").write_text("5m\n")
    content = (
        f"strategy: {{order: '${{ORDER}}', maxParallel: '${{N:-3}}', failFast: '${{FAST:-}}true'}}\n"
        f"jobs: [{{scriptName: x, timeout: '${{file:{tmp_path}/t}}', wait: '${{WAIT}}', queueTimeout: '${{C:-}}1s'}}]\n"
    )
    found = manifest(content, environ={"ORDER": "parallel", "WAIT": "false", "FAST": ""})
    assert (found.strategy.order, found.strategy.max_parallel, found.strategy.fail_fast) == ("parallel", 3, True)
    job = found.jobs[0]
    assert (job.timeout, job.wait, job.queue_timeout) == (300.0, False, 1.0)
    found = manifest(content)
    assert (found.strategy.order, found.strategy.fail_fast, found.jobs[0].timeout) == ("sequential", True, 86_400.0)
    assert faults(content, environ={}) == ["AFT046", "AFT046"]


def test_settings_never_show_values() -> None:
    """A value from outside that does not fit is refused without being shown."""
    with pytest.raises(ManifestError) as caught:
        text("jobs: [{scriptName: x, timeout: '${T}'}]", environ={"T": "hunter2"})
    (problem,) = caught.value.problems
    assert problem.code == "AFT047"
    assert "hunter2" not in str(caught.value.diagnostics())


def test_matrix_in_defaults() -> None:
    """A matrix, and settings that use it, may stand in defaults."""
    content = (
        "defaults: {matrix: {r: [eu, us]}, concurrency: 'k-${{ matrix.r }}', timeout: 1h}\n"
        "jobs: [{name: a, scriptName: x}, {name: b, scriptName: x, matrix: {r: [asia]}, timeout: 2h}]\n"
    )
    found = [(job.name, job.concurrency, job.timeout) for job in manifest(content).jobs]
    assert found == [("a[eu]", "k-eu", 3600.0), ("a[us]", "k-us", 3600.0), ("b[asia]", "k-asia", 7200.0)]
    assert faults("defaults: {concurrency: '${{ matrix.r }}'}\njobs: [{scriptName: x}]\n") == ["AFT042"]


def test_default_names() -> None:
    """A job without a name is called after its script, on either kind of system; slashes become dashes."""
    content = r"""
    jobs:
      - {filePath: 'C:\scripts\load.syncjs'}
      - {filePath: /opt/purge.old.syncjs}
      - {scriptName: "a/b\u0007"}
      - {scriptName: "${S}"}
    """
    assert [job.name for job in manifest(content).jobs] == ["load", "purge.old", "a-b-", "${S}"]


def test_transitive_needs() -> None:
    """A job may refer to all that its needs need, however far."""
    chain = "".join(f"- {{name: j{n}, scriptName: x, needs: [j{n - 1}]}}\n" for n in range(1, 1000))
    last = "- {name: z, scriptName: x, needs: [j999], params: {a: '${{ jobs.j0.id }}', b: '${{ jobs.y.id }}'}}\n"
    assert faults(f"jobs:\n- {{name: j0, scriptName: x}}\n- {{name: y, scriptName: x}}\n{chain}{last}") == ["AFT043"]


def test_long_circles_are_cut() -> None:
    """A circle of many jobs is shown by its ends."""
    circle = "".join(f"- {{name: j{n}, scriptName: x, needs: [j{(n + 1) % 500}]}}\n" for n in range(500))
    with pytest.raises(ManifestError) as caught:
        text(f"jobs:\n{circle}")
    (problem,) = caught.value.problems
    assert problem.code == "AFT052"
    assert "more" in problem.message
    assert len(problem.message) < 200


def test_too_many_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices cannot make copies, jobs or needs without number: the limits, to the very number, but made small."""
    assert (matrix.MAX_COPIES, jobs.MAX_JOBS, graph.MAX_EDGES) == (10_000, 200_000, 5_000_000)
    monkeypatch.setattr(matrix, "MAX_COPIES", 100)
    monkeypatch.setattr(jobs, "MAX_JOBS", 2_000)
    monkeypatch.setattr(graph, "MAX_EDGES", 10_000)
    ten = "[" + ",".join(map(str, range(10))) + "]"

    def wide(count: int) -> str:
        return "jobs:\n" + "".join(
            f"- {{name: m{n}, scriptName: x, matrix: {{a: {ten}, b: {ten}}}}}\n" for n in range(count)
        )

    def deep(more: str) -> str:
        text = f"jobs:\n- {{name: a, scriptName: x, matrix: {{a: {ten}, b: {ten}}}}}\n{more}"
        return text + f"- {{name: b, scriptName: x, needs: [a], matrix: {{a: {ten}, b: {ten}}}}}\n"

    assert len(manifest(wide(20)).jobs) == 2_000
    assert faults(wide(21)) == ["AFT059"]
    assert len(manifest(deep("")).jobs) == 200
    assert faults(deep("- {name: c, scriptName: x, needs: [a]}\n")) == ["AFT059"]
    assert faults(f"jobs: [{{scriptName: x, matrix: {{a: {ten}, b: {ten}, c: [1, 2]}}}}]\n") == ["AFT059"]


def test_include_limits(tmp_path: Path) -> None:
    """Includes stay in the manifest's folder, behind symbolic links too, and hold one document."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out.yaml").write_text("vars: {a: b}")
    (tmp_path / "in" / "link.yaml").symlink_to(tmp_path / "out.yaml")
    (tmp_path / "in" / "two.yaml").write_text("vars: {a: b}\n---\nvars: {c: d}\n")
    (tmp_path / "in" / "none.yaml").write_text("")
    (tmp_path / "in" / "list.yaml").write_text("[1]")
    (tmp_path / "in" / "self.yaml").symlink_to("self.yaml")
    top = tmp_path / "in" / "top.yaml"
    others = 'link.yaml, ../out.yaml, two.yaml, none.yaml, list.yaml, ., self.yaml, "nul\\0"'
    top.write_text(f"include: [{others}]\njobs: [{{scriptName: x}}]")
    with pytest.raises(ManifestError) as caught:
        load_all([str(top)])
    assert [problem.code for problem in caught.value.problems] == ["AFT055"] * 7 + ["AFT020"]


def test_diamond_include(tmp_path: Path) -> None:
    """A file that two others include comes once; the one-job form can be included too."""
    (tmp_path / "base.yaml").write_text("name: base\nfilePath: /x/base.syncjs\n")
    (tmp_path / "a.yaml").write_text("include: base.yaml\nservers: {eu: {url: https://a, readTimeout: 1s}}\n")
    (tmp_path / "b.yaml").write_text("include: base.yaml\nservers: {eu: {url: https://b}, us: {}}\n")
    top = tmp_path / "top.yaml"
    top.write_text("include: [a.yaml, b.yaml]\njobs: [{scriptName: x, server: us}]\n")
    (found,) = load_all([str(top)]).manifests
    assert [job.name for job in found.jobs] == ["base", "x"]
    assert [(server.name, server.url, server.read_timeout) for server in found.servers] == [
        ("eu", "https://b", 1.0),
        ("us", "https://127.0.0.1:44399", 30.0),
    ]
    assert found.name == "top"


def test_speed() -> None:
    """Twice as many jobs are twice the work, unknown keys and all."""

    def load(count: int) -> None:
        content = "jobs:\n" + "".join(f"- {{name: j{n}, scriptName: x, nope{n}: 1}}\n" for n in range(count))
        assert len(faults(content)) == count

    assert growth(load, 100, 8) < 12


def test_old_spelling_of_texts_in_conditions() -> None:
    """Backticks around what is no JSON are an old way to write a text, which JMESPath still takes."""
    (job,) = manifest("scriptName: x\nexpect: ['status == `Succeeded`']\n").jobs
    assert job.expect == ("status == `Succeeded`",)


@pytest.mark.parametrize(
    "content",
    [
        "description: '${S}'\njobs: [{scriptName: x}]",
        "defaults: {description: '${S}'}\njobs: [{scriptName: x}]",
        "server: {paths: {submit: '/${S}'}}\nscriptName: x",
        "server: {jobInfo: {message: '${S}'}}\nscriptName: x",
        "servers: {a: {}}\njobs: [{scriptName: x, server: '${S}'}]",
        *(f"scriptName: x\n{field}: '${{S}}'" for field in ("description", "correlation", "concurrency", "expect")),
        "scriptName: x\noutputs: {o: '${S}'}",
        "scriptName: x\nonce: '${S}'",
        "defaults: {once: '${{ run.date }} ${S:-x}'}\njobs: [{scriptName: x}, {name: y, scriptName: x}]",
    ],
)
def test_what_is_shown_takes_nothing_from_outside(content: str) -> None:
    """Text that events, plans and reports show cannot hold a value from outside, whether it is set or not."""
    for environ in ({"S": "hunter2"}, {}, None):
        with pytest.raises(ManifestError) as caught:
            text(content, environ=environ)
        assert [problem.code for problem in caught.value.problems] == ["AFT041"]
        assert "hunter2" not in str(caught.value.diagnostics())


def test_what_is_shown_takes_vars() -> None:
    """What `vars` declares fit to be shown can stand where it is shown, and so can an axis."""
    content = (
        "vars: {v: '${S}'}\njobs:\n  - scriptName: x\n    matrix: {m: [a]}\n"
        "    description: '${{ vars.v }} ${{ matrix.m }}'\n    correlation: '${{ vars.v }}'\n"
    )
    (job,) = manifest(content, environ={"S": "open"}).jobs
    assert (job.description, job.correlation) == ("open a", "open")


def test_many_documents_of_one_file_are_looked_at_once_each() -> None:
    """Names are numbered on from the last, and the file's digest is worked out once: not for each document anew."""
    loaded = load_all(["m.yaml"], read=lambda _: b"---\nscriptName: x\n" * 300)
    assert [each.name for each in loaded.manifests][:3] == ["m", "m-2", "m-3"]
    assert loaded.manifests[-1].name == "m-300"
    assert len({id(each.sha256) for each in loaded.manifests}) == 1
