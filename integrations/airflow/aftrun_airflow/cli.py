"""`aftrun-airflow`: what people type. `export` makes a DAG file of manifests, `settle` says what became of a job."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import aftrun
from aftrun.cli.boundary import emit, guarded, open_missing_streams, say
from aftrun.domain.errors import UsageError

app = typer.Typer(
    name="aftrun-airflow",
    help="Syncplify AFT! jobs on Apache Airflow. Airflow itself is needed for `settle` only.",
    epilog="Exit codes: 0 done, 1 there was nothing to settle, 2 usage or manifest. Every flag of export can be set by "
    "a variable: --dag-id by AFTRUN_DAG_ID.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # the boundary speaks for us, and shows no values
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(name: str, *others: str, **settings: Any) -> Any:
    """A flag that `AFTRUN_<NAME>` stands for."""
    return typer.Option(name, *others, envvar=_variable(name), **settings)


def _repeatable(name: str, *, help: str, metavar: str) -> Any:  # noqa: A002  # typer's own name for it
    """A flag whose variable holds one value a line, since values may hold the blanks at which typer would split."""
    variable = _variable(name)

    def fill(given: list[str] | None) -> list[str]:
        return given or [line for line in os.environ.get(variable, "").splitlines() if line.strip()]

    text = f"{help}  [env var: {variable}, one a line]"
    return typer.Option(name, help=text, metavar=metavar, callback=fill, show_default=False)


def _variable(name: str) -> str:
    return "AFTRUN_" + name.lstrip("-").replace("-", "_").upper()


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            is_eager=True,
            callback=lambda wanted: _version() if wanted else None,
        ),
    ] = False,
) -> None:
    pass


def _version() -> None:
    emit(f"aftrun-airflow {aftrun.__version__}\n")
    raise typer.Exit


@app.command()
def export(  # noqa: PLR0917  # typer makes flags of the arguments; nobody calls it by position
    file: Annotated[str, typer.Argument(help="The manifest.", metavar="FILE", show_default=False)],
    output: Annotated[
        Path | None,
        # Without a variable: AFTRUN_OUTPUT is how aftrun prints reports.
        typer.Option("--output", "-o", help="Write it here, and not to standard output.", metavar="PATH"),
    ] = None,
    force: Annotated[bool, _option("--force", help="Replace the file that --output names.")] = False,
    schedule: Annotated[
        str | None, _option("--schedule", help="When the DAG runs, a cron line or preset.", metavar="CRON")
    ] = None,
    dag_id: Annotated[
        str | None, _option("--dag-id", help="The DAG's id; by default the manifest's name.", metavar="ID")
    ] = None,
    connection: Annotated[
        list[str] | None,
        _repeatable(
            "--connection",
            help="The Airflow connection of all servers, or of one (repeatable); by default servers are used as the "
            "manifest describes them.",
            metavar="[SERVER=]CONN_ID",
        ),
    ] = None,
    pools: Annotated[
        bool, _option("--pools", help="Keep jobs of one concurrency key apart by a pool of its name, not by edges.")
    ] = False,
    pool: Annotated[str, _option("--pool", help="The pool of all other jobs, for maxParallel.", metavar="NAME")] = "",
    select: Annotated[
        list[str] | None,
        _repeatable(
            "--select",
            help="Only these jobs: name, manifest/job, glob, tag:x; +name adds needs, name+ dependants (repeatable).",
            metavar="EXPR",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        _repeatable("--exclude", help="Not these jobs; as --select (repeatable).", metavar="EXPR"),
    ] = None,
    var: Annotated[
        list[str] | None,
        _repeatable("--var", help="Set a variable of `vars` (repeatable).", metavar="NAME=VALUE"),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        _repeatable("--ignore", help="Leave out what has no counterpart: notify.", metavar="KEY"),
    ] = None,
) -> None:
    """Write a manifest as an Apache Airflow DAG file.

    The file stands alone: Airflow needs it and aftrun-airflow, not the manifest. It does what
    `aftrun_airflow.manifest_dag` does with the manifest at every parse. No value of any ${VAR} is read for it, but for
    those in fields that must be known beforehand, such as timeout. Airflow need not be installed here.
    """
    from aftrun.system.files import write_atomic  # noqa: PLC0415  # only those who export
    from aftrun_airflow.convert import Options, convert_file  # noqa: PLC0415  # the same: the parser
    from aftrun_airflow.export import export as written  # noqa: PLC0415  # the same
    from aftrun_airflow.templates import portable  # noqa: PLC0415  # the same

    if file == "-" or Path(file).is_dir():
        raise UsageError(f"export takes one file, and {file} is none", hint="name the manifest's file")
    chosen = Options(
        connections=_connections(connection or []),
        pools=True if pools else None,
        pool=pool,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        variables=_variables(var or []),
        ignore=tuple(ignore or ()),
    )
    spec = convert_file(file, chosen).spec
    for warning in spec.warnings:
        say(f"warning: {warning}")
    command = shlex.join(["aftrun-airflow", "export", portable(file)])
    text = written(spec, schedule=schedule, dag_id=dag_id, command=command)
    if output is None:
        emit(text)
        return
    if output.exists() and not force:
        raise UsageError(f"{output} exists already", hint="choose another name, or give --force")
    write_atomic(output, text)


def _connections(given: list[str]) -> dict[str, str] | str | None:
    """One connection for all servers, or one by server.

    Raises:
        UsageError: both.
    """
    by_server = dict(each.split("=", 1) for each in given if "=" in each)
    for_all = [each for each in given if "=" not in each]
    if len(for_all) > 1 or (for_all and by_server):
        raise UsageError(
            "--connection names one connection for all servers, or several as SERVER=CONN_ID",
            hint="write for example --connection eu=aft_eu --connection us=aft_us",
        )
    return for_all[0] if for_all else by_server or None


def _variables(pairs: list[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; the last of a name wins.

    Raises:
        UsageError: one has no `=` or no name.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--var {pair}: not of the form NAME=VALUE", hint="write for example --var year=2027")
        found[name] = value
    return found


@app.command()
def settle(
    dag_id: Annotated[str, typer.Argument(metavar="DAG", show_default=False)],
    run_id: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    task_id: Annotated[str, typer.Argument(metavar="TASK", show_default=False)],
    map_index: Annotated[int, typer.Option("--map-index", help="Of a mapped task.", show_default=False)] = -1,
    job: Annotated[str, typer.Option("--job", help="The job that the request made.", metavar="ID")] = "",
) -> None:
    """Say what became of a request whose fate is unknown, once you have checked on the server.

    Without --job: no job was created, so the task may submit again. With it: that is the job, and the task follows
    it. Clear the task after either. To be run where Airflow is installed and reaches its database.
    """
    from aftrun_airflow.settle import settle as settled  # noqa: PLC0415  # only those who settle

    try:
        done = settled(dag_id, run_id, task_id, map_index, job_id=job)
    except (LookupError, ValueError) as error:
        say(f"aftrun-airflow: {error}")
        raise typer.Exit(1) from None
    emit(f"{done}\n")


def main() -> int:
    """The console command; returns its exit code."""
    open_missing_streams()
    return guarded(_run)


def _run() -> int:
    try:
        # On Windows typer would expand `*` in every argument.
        app(windows_expand_args=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
