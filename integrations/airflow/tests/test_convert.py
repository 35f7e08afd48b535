"""Manifests as Airflow sees them: edges and rules that mean what `needs`, `when` and `strategy` mean."""

from __future__ import annotations

import ast
import json
import ntpath
import os
import re
import subprocess
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.events import Reason
from aftrun.domain.model import Job, Manifest, Order, Outcome, Script, Selector, ServerSpec, Strategy, Tls, When
from aftrun.domain.values import Inside, Origin, Outside, Template
from aftrun.manifest import load_all
from aftrun.run.gate import Gate, Mark
from aftrun.run.plan import make_plan
from aftrun.run.policy import is_bad
from aftrun_airflow import serverspec, templates
from aftrun_airflow.cache import read_spec
from aftrun_airflow.convert import Options, convert, convert_file
from aftrun_airflow.dagspec import JOB, DagSpec, TaskSpec
from aftrun_airflow.export import export
from aftrun_airflow.ids import Ids, slug
from aftrun_airflow.templates import TemplateWriter
from aftrun_airflow.templating import References
from tests.world import REPOSITORY

KEY = Template((Outside("env", "AFT_API_KEY", "${AFT_API_KEY}"),), "${AFT_API_KEY}")
ENDED = {"success", "failed", "upstream_failed", "skipped"}
MARKS = {"success": Mark.GOOD, "failed": Mark.BAD, "upstream_failed": Mark.BAD, "skipped": Mark.NEUTRAL}


def job(name: str, needs: Sequence[str] = (), **fields: object) -> Job:
    """A job that starts a script of its own name."""
    made = Job(name, Script(Selector.NAME, name), Origin("m.yaml", 1, 1), needs=tuple(needs))
    return replace(made, **fields)  # type: ignore[arg-type]  # checked by dataclasses itself


def manifest(*jobs: Job, name: str = "m", **fields: object) -> Manifest:
    """A manifest, side by side unless it says otherwise."""
    fields.setdefault("strategy", Strategy(Order.PARALLEL, max_parallel=100, fail_fast=False))
    return replace(Manifest(name, "m.yaml", jobs, (ServerSpec(api_key=KEY),)), **fields)  # type: ignore[arg-type]  # the same


@dataclass
class Airflow:
    """Airflow's trigger rules, as `ti_deps/deps/trigger_rule_dep.py` of 3.3 has them, on a spec made of manifests.

    A task that may start does so at once and ends at a moment that `random` chooses, badly where its job's name is
    in `bad`.
    """

    spec: DagSpec
    bad: set[str]
    random: Random
    states: dict[str, str] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    before: dict[str, set[str]] = field(default_factory=dict)
    """What had ended when a job started."""
    most: int = 0

    def run(self) -> None:
        """To the end."""
        nodes = {group.full(node): node for group in self.spec.groups for node in group.nodes}
        while len(self.states) < len(nodes):
            changed = False
            for name in self.random.sample(sorted(nodes), len(nodes)):
                if name not in self.states and name not in self.running:
                    changed |= self._consider(name, nodes[name])
            self.most = max(self.most, len(self.running))
            if not changed:
                assert self.running, f"nothing can start any more: {nodes.keys() - self.states.keys()}"
                name = self.random.choice(sorted(self.running))
                self.running.remove(name)
                self.states[name] = "failed" if name in self.bad else "success"

    def _consider(self, name: str, node: TaskSpec) -> bool:
        verdict = self._rule(node)
        if verdict == "start" and any(self.states.get(each) == "skipped" for each in node.skip_with):
            verdict = "skipped"
        if verdict == "start" and node.kind != JOB:
            verdict = "success"
        if verdict == "start":
            self.running.add(name)
            self.ran.append(name)
            self.before[name] = set(self.states)
        elif verdict:
            self.states[name] = verdict
        return bool(verdict)

    def _rule(self, node: TaskSpec) -> str:
        """``start``, the state that the scheduler gives without a start, or nothing yet."""
        ends = [self.states[name] for name in node.upstream if name in self.states]
        done, failed = len(ends) == len(node.upstream), not {"failed", "upstream_failed"}.isdisjoint(ends)
        match node.rule:
            case "all_success":
                if failed:
                    return "upstream_failed"
                if "skipped" in ends:
                    return "skipped"
                return "start" if done else ""
            case "none_failed":
                return "upstream_failed" if failed else "start" if done else ""
            case "one_failed":
                return "start" if failed else "skipped" if done else ""
            case "all_done":
                return "start" if done else ""
        raise AssertionError(node.rule)

    def outcome(self) -> str:
        """Of the run: Airflow asks the tasks that nothing comes after."""
        inner = {up for group in self.spec.groups for node in group.nodes for up in node.upstream}
        last = [state for name, state in self.states.items() if name not in inner]
        return "failed" if not {"failed", "upstream_failed"}.isdisjoint(last) else "success"


def aftrun_marks(manifests: Sequence[Manifest], bad: set[str], random: Random) -> tuple[dict[str, Mark], set[str]]:
    """What aftrun's own gate makes of it: the mark of each job, and which were started."""
    plan = make_plan(manifests)
    gate = Gate(plan)
    marks: dict[str, Mark] = {}
    names = [f"{task.key}" for task in plan.tasks]
    active: list[int] = []
    started: set[str] = set()

    def end(index: int, mark: Mark) -> None:
        queue = [(index, mark)]
        while queue:
            at, how = queue.pop(0)
            marks[names[at]] = how
            for skip in gate.end(at, how):
                bad_end = is_bad(Outcome.SKIPPED, skip.reason, allow_failure=False)
                queue.append((skip.index, Mark.BAD if bad_end else Mark.NEUTRAL))

    while not gate.done:
        for skip in gate.advance() or ():
            end(skip.index, Mark.NEUTRAL if skip.reason is Reason.NOT_NEEDED else Mark.BAD)
        while (task := gate.next(range(len(plan.servers)))) is not None:
            active.append(task.index)
            started.add(names[task.index])
        if active:
            index = active.pop(random.randrange(len(active)))
            end(index, Mark.BAD if names[index] in bad else Mark.GOOD)
    return marks, started


def random_manifest(random: Random, name: str) -> Manifest:
    """Needs, conditions, keys and strategies of every kind."""
    count = random.randint(1, 7)
    names = [f"{name}{number}" for number in range(count)]
    jobs = []
    for number in range(count):
        needs = random.sample(names[:number], random.randint(0, min(number, 3)))
        when = random.choice([When.SUCCESS, When.SUCCESS, When.ALWAYS, When.FAILURE if needs else When.SUCCESS])
        jobs.append(job(names[number], needs, when=when, concurrency=random.choice(["", "", "ftp"])))
    random.shuffle(jobs)
    kinds = [
        Strategy(Order.PARALLEL, max_parallel=100, fail_fast=False),
        Strategy(Order.SEQUENTIAL, fail_fast=False),
        Strategy(Order.SEQUENTIAL, fail_fast=True),
    ]
    kind = random.choice(kinds[:-1] if any(_differs(one, jobs) for one in jobs) else kinds)
    return manifest(*jobs, name=name, strategy=kind)


def _differs(one: Job, jobs: Sequence[Job]) -> bool:
    """Whether a job that waits for success needs one that may not be needed: see the last of the known differences."""
    return one.when is When.SUCCESS and any(each.name in one.needs and each.when is When.FAILURE for each in jobs)


def key_of(name: str, manifests: Sequence[Manifest]) -> str:
    """`manifest/job` for a task's id."""
    return name.replace(".", "/") if len(manifests) > 1 else f"{manifests[0].name}/{name}"


@pytest.mark.parametrize("seed", range(600))
def test_rules_and_edges_mean_the_same(seed: int) -> None:
    """For any graph and any bad ends: the same jobs run, and all end as they would under `aftrun apply`."""
    random = Random(seed)  # noqa: S311  # a seed makes failures come back
    manifests = [random_manifest(random, letter) for letter in "abc"[: random.choice([1, 1, 2, 3])]]
    jobs = {f"{each.name}/{one.name}": one for each in manifests for one in each.jobs}
    bad = {name for name in jobs if random.random() < random.choice([0, 0.2, 0.5])}
    marks, started = aftrun_marks(manifests, bad, random)
    spec = convert(manifests, Options())
    ids = {group.full(node): node for group in spec.groups for node in group.nodes}
    airflow = Airflow(spec, {name for name in ids if key_of(name, manifests) in bad}, random)
    airflow.run()
    found = {key_of(name, manifests): MARKS[airflow.states[name]] for name, node in ids.items() if node.kind == JOB}
    assert {key_of(name, manifests) for name in airflow.ran} == started
    assert found == marks
    assert airflow.outcome() == ("failed" if Mark.BAD in marks.values() else "success")
    _check_order(manifests, airflow, jobs)


def _check_order(manifests: Sequence[Manifest], airflow: Airflow, jobs: Mapping[str, Job]) -> None:
    """Nothing starts before its time, and nothing overlaps that must not."""
    position = {each.name: number for number, each in enumerate(manifests)}
    for name, ended in airflow.before.items():
        mine, _, short = key_of(name, manifests).partition("/")
        ended_keys = {key_of(each, manifests) for each in ended}
        earlier = [key for key in jobs if position[key.partition("/")[0]] < position[mine]]
        assert set(earlier) <= ended_keys
        this = next(each for each in manifests if each.name == mine)
        by_name = {each.name: each for each in this.jobs}
        stack, above = list(by_name[short].needs), set()
        while stack:
            above.add(need := stack.pop())
            stack += by_name[need].needs
        assert {f"{mine}/{need}" for need in above} <= ended_keys
        place = airflow.ran.index(name)
        for other in airflow.ran[:place]:
            theirs = jobs[key_of(other, manifests)]
            same_key = theirs.concurrency and theirs.concurrency == by_name[short].concurrency
            if key_of(other, manifests).startswith(f"{mine}/") and (same_key or this.strategy.slots == 1):
                assert other in ended, f"{other} and {name} overlap"


def rendered(value: str, **context: object) -> str:
    """What the operator makes of a templated field, references as they were written."""
    references = References()
    template = SandboxedEnvironment(undefined=StrictUndefined).from_string(references.take_out(value))
    shown = references.shown(template.render(context))
    assert isinstance(shown, str)
    return shown


PIECES = st.one_of(
    st.text(alphabet="${}%#'\"\\\r\n \u2028aX-", max_size=6),
    st.text(max_size=3),
    st.just(Outside("env", "X", "${X:-{{ y }}}")),
    st.just(Inside(("run", "id"), "${{ run.id }}")),
)


@given(st.lists(PIECES, max_size=6))
@example(["a\n"])
@example(["{", Inside(("run", "id"), "${{ run.id }}")])
@example(["$", Inside(("run", "id"), "${{ run.id }}")])
@example(["$", Outside("env", "X", "${X:-{{ y }}}")])
def test_any_text_comes_out_as_it_was_written(pieces: list[str | Outside | Inside]) -> None:
    """Whatever stands in a value, neither Jinja nor the search for references changes it."""
    value = Template(tuple(pieces), "")
    text = TemplateWriter({}, str, "").template(value, {})
    expected = "".join(
        piece if isinstance(piece, str) else piece.text if isinstance(piece, Outside) else "R$${Y}{{ z }}"
        for piece in pieces
    )
    assert rendered(text, run_id="R$${Y}{{ z }}") == expected


class Pulls:
    """`ti` of a task, for templates."""

    def __init__(self, **xcoms: object) -> None:
        self.xcoms = xcoms

    def xcom_pull(self, task_ids: str, key: str) -> object:
        """An XCom."""
        return self.xcoms.get(f"{task_ids}_{key}")


def handed(reference: str, **xcoms: object) -> str:
    """What a param that is one reference becomes."""
    text = TemplateWriter({}, lambda name: name, "").template(
        Template((Inside(tuple(reference.split(".")), ""),), ""), {}
    )
    return rendered(text, ti=Pulls(**xcoms))


@pytest.mark.parametrize(
    ("value", "text"),
    [("x${Y}", "x${Y}"), (12, "12"), (1.5, "1.5"), (True, "true"), ([1, "a"], '[1, "a"]'), ("", "")],
)
def test_outputs_arrive_as_under_apply(value: object, text: str) -> None:
    """TemplateWriter as they are, everything else as JSON."""
    assert handed("jobs.a.outputs.n", a_outputs={"n": value}) == text


@pytest.mark.parametrize("xcoms", [{}, {"a_outputs": {}}, {"a_outputs": {"n": None}}])
def test_what_was_not_handed_on_is_an_error(xcoms: dict[str, object]) -> None:
    """A job whose need gave no id or no output fails before anything is sent; it never sends the word None."""
    with pytest.raises(TypeError):
        handed("jobs.a.outputs.n", **xcoms)
    with pytest.raises(TypeError):
        handed("jobs.a.id")


def test_ids_are_what_airflow_takes() -> None:
    """Names become ids; two names never become one; a name that is an id keeps it, wherever it stands."""
    assert slug("load[eu,2026]") == "load__eu_2026"
    assert slug("Größe 1/2", dots=False) == "Größe_1_2"
    assert slug("[") == "job"
    assert len(slug("x" * 300)) == 200
    spec = convert([manifest(job("a b"), job("a_b"), job("a/b"), job("outcome", ["a b"], when=When.ALWAYS))], Options())
    assert [node.id for node in spec.groups[0].nodes] == ["a_b_2", "a_b", "a_b_3", "outcome", "outcome_2"]
    ids = Ids()
    assert [ids.take("x"), ids.take("x"), ids.reserve("x"), ids.reserve("y")] == ["x", "x_2", "", "y"]


def test_jobs_of_one_key_wait_for_each_other_or_share_a_pool() -> None:
    """Edges by default; with pools the pool, and what makes it."""
    jobs = manifest(job("a", concurrency="ftp"), job("b", concurrency="ftp"), job("c"))
    by_edges = {node.id: node for node in convert([jobs], Options()).groups[0].nodes}
    assert (by_edges["b"].rule, by_edges["b"].upstream) == ("all_done", ("a",))
    spec = convert([jobs], Options(pools=True, pool="all"))
    by_pools = {node.id: node for node in spec.groups[0].nodes}
    assert [by_pools[name].arguments.get("pool") for name in "abc"] == ["ftp", "ftp", None]
    assert not by_pools["b"].upstream
    assert spec.groups[0].defaults["pool"] == "all"
    assert {pool.name: pool.slots for pool in spec.pools} == {"ftp": 1, "all": 100}


def test_no_cache_hides_a_change_or_belongs_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept spec is read again as it was; one that is broken is made again; none is kept where there is no place."""
    file = tmp_path / "m.yaml"
    file.write_text("jobs: [{name: a, scriptName: s}]", encoding="utf-8")
    monkeypatch.setenv("AFTRUN_CACHE_DIR", str(tmp_path / "cache"))
    made = read_spec(str(file), {})
    (kept,) = (tmp_path / "cache").iterdir()
    assert read_spec(str(file), {}) == made
    assert oct(kept.parent.stat().st_mode & 0o777) == "0o700"
    kept.write_text("{}", encoding="utf-8")
    assert read_spec(str(file), {}) == made
    assert json.loads(kept.read_text(encoding="utf-8"))["spec"] == json.loads(json.dumps(made.to_json()))
    old = kept.with_name("airflow-0.json")
    old.write_text("{}", encoding="utf-8")
    os.utime(old, (0, 0))
    kept.unlink()
    assert read_spec(str(file), {}) == made
    assert [each.name for each in kept.parent.iterdir()] == [kept.name]
    monkeypatch.setenv("AFTRUN_CACHE_DIR", "")
    kept.unlink()
    assert read_spec(str(file), {}) == made
    assert not list((tmp_path / "cache").iterdir())
    monkeypatch.setenv("AFTRUN_CACHE_DIR", str(file / "no-folder"))
    assert read_spec(str(file), {}) == made


def test_options_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    """A connection for a server, or a pool for a key, that the manifest does not have."""
    one = manifest(job("a"))
    with pytest.raises(UsageError, match="no server 'eu'"):
        convert([one], Options(connections={"eu": "x"}))
    with pytest.raises(UsageError, match="no concurrency key 'ftp'"):
        convert([one], Options(pools={"ftp": "x"}))
    with pytest.raises(UsageError, match="no key to ignore 'jobs'"):
        convert([one], Options(ignore=("jobs",)))
    with pytest.raises(ManifestError) as error:
        convert([manifest(job("a", when=When.FAILURE))], Options())
    assert "would never run" in error.value.diagnostics()[0]
    assert convert_file(_write(tmp_path, "jobs: [{scriptName: s}]"), Options()).lasting


def _write(folder: Path, text: str) -> str:
    file = folder / "m.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_paths_are_relative_to_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a manifest in another folder, and of a file that it includes from a third."""
    (tmp_path / "spec" / "parts").mkdir(parents=True)
    (tmp_path / "spec" / "parts" / "p.yaml").write_text(
        'defaults: {params: {token: "${file:t.txt:-x}"}}', encoding="utf-8"
    )
    (tmp_path / "spec" / "m.yaml").write_text(
        "include: [parts/p.yaml]\nserver: {tls: {certFile: c.pem, keyFile: '${K}/k.pem'}}\njobs: [{scriptName: s}]",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)  # so that the manifest's folder is not the working directory
    spec = convert_file("spec/m.yaml", Options()).spec
    assert spec.groups[0].nodes[0].arguments["params"] == {"token": "${file:parts/t.txt:-x}"}
    assert spec.servers[0]["tls"] == {"certFile": "c.pem", "keyFile": "${K}/k.pem"}
    assert spec.groups[0].defaults["base_dir"] == str(tmp_path / "spec")


def test_converting_needs_no_airflow(tmp_path: Path) -> None:
    """`aftrun-airflow export` works where Airflow is not installed."""
    code = (
        "import sys; sys.modules['airflow'] = None\n"
        "from aftrun_airflow.convert import Options, convert_file\n"
        "from aftrun_airflow.export import export\n"
        f"print(export(convert_file({_write(tmp_path, 'scriptName: s')!r}, Options()).spec))"
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert 'script_name="s"' in done.stdout


VALID = sorted((REPOSITORY / "tests" / "manifests" / "valid").glob("*.yaml"))


@pytest.mark.parametrize("file", VALID, ids=lambda path: path.stem)
def test_every_manifest_can_be_said_or_is_refused(file: Path) -> None:
    """What is valid becomes tasks, and plain data that survives being kept; or it is refused with a remedy."""
    try:
        spec = convert_file(str(file), Options()).spec
    except ManifestError as error:
        problems = error.problems
    else:
        problems = ()
        _check_night(spec)
    assert {(problem.code, bool(problem.hint)) for problem in problems} <= {("airflow", True)}


def _check_night(spec: DagSpec) -> None:
    assert DagSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    ast.parse(export(spec))
    names = [group.full(node) for group in spec.groups for node in group.nodes]
    assert len(names) == len(set(names))
    assert {up for group in spec.groups for node in group.nodes for up in node.upstream} <= set(names)


@pytest.mark.parametrize("file", VALID, ids=lambda path: path.stem)
def test_servers_say_the_same_again(file: Path) -> None:
    """The description that the operator gets is read as the server that the manifest described."""
    manifests = load_all([str(file)]).manifests
    try:
        spec = convert(manifests, Options(ignore=("notify",)), base_dir=str(file.parent))
    except ManifestError:
        return  # refused, as the test above has seen
    wanted = {_bare(manifest.server(job.server)) for manifest in manifests for job in manifest.jobs}
    found = set()
    for server in spec.servers:
        data = json.dumps({"server": server, "jobs": [{"scriptName": "s"}]}).encode()
        loaded = load_all([str(file.with_name("again.json"))], read=lambda _, data=data: data).manifests  # type: ignore[misc]  # a default binds the loop's value
        found.add(_bare(loaded[0].servers[0]))
    assert found == wanted


def _bare(server: ServerSpec) -> str:
    """A server without its name and places, neighbouring literals joined, for comparison."""
    bare = repr(replace(server, name="", origin=None))
    return re.sub(r"(raw|text|origin)=('[^']*'|\"[^\"]*\"|Origin\([^)]*\)|None)", "", bare).replace("', '", "")


@pytest.mark.parametrize(
    ("path", "base", "shown"),
    [
        (r"parts\certs\aft.pem", "", "parts/certs/aft.pem"),
        (r"parts\secrets\t.txt", "parts", "secrets/t.txt"),
        (r"..\shared\t.txt", "night", "../../shared/t.txt"),
        (r"C:\aft\aft.pem", "", "C:/aft/aft.pem"),
        (r"\\share\aft\aft.pem", "", "//share/aft/aft.pem"),
        ("/etc/aft/aft.pem", "parts", "/etc/aft/aft.pem"),
    ],
)
def test_paths_written_on_windows_are_read_where_airflow_runs(
    monkeypatch: pytest.MonkeyPatch, path: str, base: str, shown: str
) -> None:
    """Every system takes `/`; a backslash is a part of a name on most."""
    monkeypatch.setattr(ntpath, "abspath", lambda text: ntpath.normpath(ntpath.join("C:\\work", text)))
    monkeypatch.setattr(templates, "os", types.SimpleNamespace(path=ntpath, sep="\\"))
    assert templates.relative(path, base) == shown
    written = Outside("file", path, f"${{file:{ntpath.basename(path)}:-x}}")
    texts = templates.TemplateWriter({}, str, base)
    expected = f"${{file:{shown}:-x}}"
    assert texts.manifest(Template((written,), written.text)) == expected
    assert serverspec.describe(ServerSpec(tls=Tls(ca_file=path)), texts)["tls"] == {"caFile": shown}


def test_a_backslash_in_a_name_stays_where_it_is_part_of_one() -> None:
    """On Linux a backslash is a character like any other."""
    if os.sep == "/":
        assert templates.relative("a\\b", "") == "a\\b"
