"""Manifests → `DagSpec`: everything that Airflow has to be told, as plain data. No network, no secret, no Airflow.

Nothing that a manifest says is dropped: what Airflow cannot do is refused, with the place and what to do instead.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aftrun.domain.errors import ManifestError, Problem, UsageError
from aftrun.domain.jobnames import job_labels
from aftrun.domain.model import Job, Manifest, Order, ServerSpec, When
from aftrun.domain.text import did_you_mean
from aftrun.domain.values import Origin
from aftrun.manifest import load_all
from aftrun.run.select import choose
from aftrun_airflow.arguments import SELECTORS, doc, params, plain_arguments, retry, uses_folder
from aftrun_airflow.dagspec import GATE, JOB, DagSpec, GroupSpec, PoolSpec, TaskSpec
from aftrun_airflow.ids import Ids
from aftrun_airflow.serverspec import describe, holds_key, needs_folder
from aftrun_airflow.templates import TemplateWriter, portable
from aftrun_airflow.wiring import NONE_FAILED, WiredTask, wire_up

CODE = "airflow"
"""The code of problems that only Airflow has."""
IGNORABLE = ("notify",)


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says beyond the manifest."""

    connections: Mapping[str, str] | str | None = None
    """Airflow connection by name of the server, or one for all; None: servers are used as the manifest says."""
    pools: Mapping[str, str] | bool | None = None
    """Airflow pool by concurrency key; True: a pool of the key's name for each; keys without one get edges."""
    pool: str = ""
    """The pool of all other jobs, which holds `maxParallel`; empty: Airflow's default pool."""
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    """Keys of the manifest to leave out knowingly: `notify`."""
    prefix: str = ""
    """Of the ids of all tasks: that of the group around the whole, with a dot, or nothing."""


class _Environ(Mapping[str, str]):
    """The environment, and whether anybody read it: only fields that are settled while loading do."""

    def __init__(self) -> None:
        self.asked = False

    def __getitem__(self, name: str) -> str:
        self.asked = True
        return os.environ[name]

    def __iter__(self) -> Any:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


@dataclass(frozen=True, slots=True)
class Converted:
    """A `DagSpec`, and what it was made of."""

    spec: DagSpec
    files: tuple[tuple[str, bytes], ...]
    lasting: bool
    """The same files and options always give the same: nothing came from the environment."""


def convert_file(path: str, options: Options) -> Converted:
    """Load the manifests of a file and convert them.

    Fields that have to be known now, such as `timeout`, are filled in from the environment of this process.

    Raises:
        ManifestError: something in the file is wrong, or cannot be said to Airflow.
        UsageError: no such file, or options that do not fit it.
    """
    environ = _Environ()
    loaded = load_all([path], environ=environ, variables=options.variables)
    chosen = choose(loaded.manifests, options.select, options.exclude).manifests
    spec = convert(chosen, options, base_dir=os.path.dirname(path))  # noqa: PTH120  # text in, text out
    warnings = tuple(
        f"{each.place}: {each.message}" + (f" ({each.hint})" if each.hint else "") for each in loaded.warnings
    )
    outside = sum(data.count(b"${file:") + data.count(b"${keyring:") for _, data in loaded.files)
    return Converted(replace(spec, warnings=warnings), loaded.files, lasting=not environ.asked and not outside)


def convert(manifests: Sequence[Manifest], options: Options, *, base_dir: str = "") -> DagSpec:
    """Everything that Airflow has to be told about the manifests of one file, which run one after another.

    `base_dir` is the folder of the file.

    Raises:
        ManifestError: something cannot be said to Airflow.
        UsageError: options that do not fit the manifests.
    """
    _check_options(manifests, options)
    problems: list[Problem] = []
    for manifest in manifests:
        problems += _problems(manifest, options)
    if problems:
        raise ManifestError(problems)
    return _Converter(manifests, options, base_dir).spec()


def _check_options(manifests: Sequence[Manifest], options: Options) -> None:
    servers = {server.name for manifest in manifests for server in manifest.servers}
    keys = {job.concurrency for manifest in manifests for job in manifest.jobs if job.concurrency}
    for what, given, known in (
        ("connections", options.connections, servers),
        ("pools", options.pools, keys),
        ("ignore", options.ignore, set(IGNORABLE)),
    ):
        for name in given if isinstance(given, Mapping | tuple) else ():
            if name not in known:
                there = ", ".join(sorted(filter(None, known))) or "none"
                nouns = {"connections": "server", "pools": "concurrency key", "ignore": "key to ignore"}
                hint = did_you_mean(name, known) or f"there is {there}; give a single name for a single 'server'"
                raise UsageError(f"{what}: there is no {nouns[what]} {name!r}", hint=hint)


def _problems(manifest: Manifest, options: Options) -> list[Problem]:
    """What cannot be said to Airflow."""
    found: list[Problem] = []

    def refuse(origin: Origin | None, message: str, hint: str) -> None:
        place = origin or Origin(manifest.path, 1, 1)
        found.append(Problem(CODE, message, place.path, place.line, place.column, hint=hint))

    if manifest.notify.urls and "notify" not in options.ignore:
        message = "'notify' tells people about a run, and in Airflow a run is Airflow's to tell about"
        hint = "use Airflow's callbacks and notifiers, and say so here: ignore=['notify'] (--ignore notify)"
        refuse(manifest.origin, message, hint)
    for job in manifest.jobs:
        if job.when is When.FAILURE and not job.needs:
            message = f"job {job.name!r} runs on failure only and needs nothing, so it would never run"
            refuse(job.origin, message, "give it needs, or remove it")
    used = {manifest.server(job.server).name: manifest.server(job.server) for job in manifest.jobs}
    for server in used.values():
        if _connection(server, options) is None and holds_key(server):
            message = "an API key stands in the manifest, and would stand in the DAG"
            refuse(server.origin, message, "write apiKey: ${AFT_API_KEY}, or name an Airflow connection for the server")
    return found


def _connection(server: ServerSpec, options: Options) -> str | None:
    given = options.connections
    return given.get(server.name) if isinstance(given, Mapping) else given


class _Converter:
    def __init__(self, manifests: Sequence[Manifest], options: Options, base_dir: str) -> None:
        self.manifests = manifests
        self.options = options
        self.base_dir = base_dir
        self.servers: list[dict[str, Any]] = []
        self.server_names: list[str] = []
        self.pools: dict[str, PoolSpec] = {}
        self.named: dict[tuple[str, str], dict[str, Any]] = {}
        names = [(manifest.name, job.name) for manifest in manifests for job in manifest.jobs]
        self.labels = dict(zip(names, job_labels(names), strict=True))

    def spec(self) -> DagSpec:
        first = self.manifests[0]
        alone = len(self.manifests) == 1
        group_ids = Ids(dots=False, longest=100)
        groups: list[GroupSpec] = []
        barrier = ""
        for number, manifest in enumerate(self.manifests):
            group_id = "" if alone else group_ids.take(manifest.name)
            last = number == len(self.manifests) - 1
            group = self._group(manifest, group_id, barrier, last=last)
            barrier = "" if last else group.full(group.nodes[-1])
            groups.append(group)
        side_by_side = [each.strategy for each in self.manifests if each.strategy.order is Order.PARALLEL]
        return DagSpec(
            name=first.name,
            path=first.path,
            sha256=first.sha256,
            groups=tuple(groups),
            servers=tuple(self.servers),
            server_names=tuple(self.server_names),
            max_parallel=max((each.max_parallel for each in side_by_side), default=None),
            pools=tuple(self.pools.values()),
            description=first.description if alone else "",
        )

    def _group(self, manifest: Manifest, group_id: str, barrier: str, *, last: bool) -> GroupSpec:
        options = self.options
        keys = {job.concurrency for job in manifest.jobs if job.concurrency}
        pools = {key: key for key in keys} if options.pools is True else options.pools or {}
        wiring = wire_up(manifest.jobs, manifest.strategy, barrier=barrier and "\n", pooled=keys & set(pools))
        ids = Ids(longest=200)
        names = {wire.name: ids.reserve(wire.name) for wire in wiring.wires.values() if wire.job is not None}
        local = {name: task or ids.take(name) for name, task in names.items()}
        for name in wiring.wires.keys() - local.keys():
            of, _, suffix = name.partition("\n")
            local[name] = ids.take(f"{local[of]}-{suffix}")
        prefix = f"{group_id}." if group_id else ""
        full = {name: prefix + task for name, task in local.items()} | {"\n": barrier}
        texts = TemplateWriter(dict(manifest.vars), lambda name: options.prefix + full[name], self.base_dir)
        places = {job.name: number for number, job in enumerate(manifest.jobs)}
        defaults = self._defaults(manifest, texts)
        nodes: list[TaskSpec] = []
        order = sorted(
            wiring.wires.values(), key=lambda wire: (places[wire.name.partition("\n")[0]], wire.job is not None)
        )
        for wire in order:
            arguments = {}
            if wire.job is not None:
                arguments = self._arguments(manifest, wire.job, texts, full, defaults=defaults, pools=pools)
            nodes.append(_node(wire, local[wire.name], full, arguments))
        if not last or wiring.masked:
            nodes.append(
                TaskSpec(
                    ids.take("outcome"),
                    GATE,
                    NONE_FAILED,
                    tuple(full[name] for name in wiring.closing()),
                    note="Airflow judges a run by its last tasks; this one fails if any job failed.",
                )
            )
        if any(uses_folder(node.arguments, self.servers) for node in nodes) or (
            isinstance(defaults.get("server"), int) and needs_folder(self.servers[defaults["server"]])
        ):
            defaults["base_dir"] = portable(os.path.abspath(self.base_dir or "."))  # noqa: PTH100  # links stay links
        return GroupSpec(group_id, manifest.name, tuple(nodes), defaults, manifest.description)

    def _server(self, manifest: Manifest, server: ServerSpec, texts: TemplateWriter) -> dict[str, Any]:
        """The arguments that name a job's server."""
        key = (manifest.name, server.name)
        if key not in self.named:
            connection = _connection(server, self.options)
            self.named[key] = (
                self._described(manifest, server, texts) if connection is None else {"aft_conn_id": connection}
            )
        return self.named[key]

    def _described(self, manifest: Manifest, server: ServerSpec, texts: TemplateWriter) -> dict[str, Any]:
        described = describe(server, texts)
        if described not in self.servers:
            self.servers.append(described)
            self.server_names.append(server.name or (manifest.name if len(self.manifests) > 1 else ""))
        return {"aft_conn_id": None, "server": self.servers.index(described)}

    def _defaults(self, manifest: Manifest, texts: TemplateWriter) -> dict[str, Any]:
        """What most tasks of a manifest have in common."""
        found = dict(self._server(manifest, manifest.server(manifest.jobs[0].server), texts))
        # Without `retry` in the manifest nothing is submitted twice, however many retries Airflow has been given.
        found["retry_on"] = []
        if manifest.strategy.finish_by:
            found["finish_by"] = manifest.strategy.finish_by
        if self.options.pool:
            found["pool"] = self.options.pool
            slots = max(each.strategy.slots for each in self.manifests)
            self.pools.setdefault(self.options.pool, PoolSpec(self.options.pool, slots, "maxParallel"))
        return found

    def _arguments(
        self,
        manifest: Manifest,
        job: Job,
        texts: TemplateWriter,
        full: Mapping[str, str],
        *,
        defaults: Mapping[str, Any],
        pools: Mapping[str, str],
    ) -> dict[str, Any]:
        server = manifest.server(job.server)
        matrix = dict(job.matrix)
        task_id = self.options.prefix + full[job.name]
        found: dict[str, Any] = {}
        if job.name != full[job.name].rpartition(".")[2] and job.name != full[job.name]:
            found["task_display_name"] = job.name
        found[SELECTORS[job.script.selector.value]] = texts.template(job.script.value, matrix)
        if job.params:
            found["params"] = params(job, server, texts, matrix)
        named = self._server(manifest, server, texts)
        if any(defaults.get(key, ...) != value for key, value in named.items()):
            found |= named
        label = self.labels[manifest.name, job.name]
        if label != task_id:
            found["job_label"] = label
        found |= plain_arguments(job)
        if job.once:
            found["once"] = texts.template(job.once, matrix)
        if job.retry.limit:
            found |= retry(job)
        pool = pools.get(job.concurrency) if job.concurrency else None
        if pool is not None:
            found["pool"] = pool
            self.pools.setdefault(pool, PoolSpec(pool, 1, f"concurrency: {job.concurrency}"))
        if text := doc(job):
            found["doc_md"] = text
        return found


def _node(wire: WiredTask, task_id: str, full: Mapping[str, str], arguments: Mapping[str, Any]) -> TaskSpec:
    origin = wire.job.origin if wire.job is not None else None
    return TaskSpec(
        task_id,
        GATE if wire.job is None else JOB,
        wire.rule,
        tuple(full[name] for name in wire.upstream),
        arguments,
        tuple(full[name] for name in wire.skip_with),
        wire.fail_fast,
        origin.line if origin is not None else 0,
        origin.path if origin is not None else "",
        wire.note,
    )
