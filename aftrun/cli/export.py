"""`aftrun export`: a manifest in another program's form."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from aftrun.cli import options
from aftrun.cli.boundary import emit, say
from aftrun.cli.flags import Argument, Flag
from aftrun.errors import UsageError


class Target(StrEnum):
    """Programs that manifests can be written for."""

    AIRFLOW = "airflow"


def export(
    target: Annotated[Target, Argument(help="The program to write for.", show_default=False)],
    file: Annotated[str, Argument(help="The manifest.", metavar="FILE", show_default=False)],
    output: Annotated[
        Path | None,
        # Without a mirror in the environment: AFTRUN_OUTPUT is how reports are printed.
        Flag("--output", "-o", help="Write it here, and not to standard output.", metavar="PATH", mirrored=False),
    ] = None,
    force: Annotated[bool, options.option("--force", help="Replace the file that --output names.")] = False,
    schedule: Annotated[
        str | None, options.option("--schedule", help="When the DAG runs, a cron line or preset.", metavar="CRON")
    ] = None,
    dag_id: Annotated[
        str | None, options.option("--dag-id", help="The DAG's id; by default the manifest's name.", metavar="ID")
    ] = None,
    connection: Annotated[
        list[str] | None,
        options.option(
            "--connection",
            help="The Airflow connection of all servers, or of one (repeatable); by default servers are used as the "
            "manifest describes them.",
            metavar="[SERVER=]CONN_ID",
            many=str,
        ),
    ] = None,
    pools: Annotated[
        bool,
        options.option("--pools", help="Keep jobs of one concurrency key apart by a pool of its name, not by edges."),
    ] = False,
    pool: Annotated[
        str, options.option("--pool", help="The pool of all other jobs, for maxParallel.", metavar="NAME")
    ] = "",
    select: options.Select = None,
    exclude: options.Exclude = None,
    var: options.Variables = None,
    ignore: Annotated[
        list[str] | None,
        options.option("--ignore", help="Leave out what has no counterpart: notify.", metavar="KEY", many=str),
    ] = None,
) -> int:
    """Write a manifest as an Apache Airflow DAG file.

    The file stands alone: Airflow needs it and aftrun[airflow], not the manifest. It does what
    `aftrun.airflow.manifest_dag` does with the manifest at every parse. No value of any ${VAR} is read for it, but for
    those in fields that must be known beforehand, such as timeout. Airflow need not be installed here.
    """
    from aftrun.airflow.convert import Options, convert_file  # noqa: PLC0415  # the parser is for those who export
    from aftrun.airflow.export import export as written  # noqa: PLC0415  # the same

    if file == "-" or Path(file).is_dir():
        raise UsageError(f"export takes one file, and {file} is none", hint="name the manifest's file")
    chosen = Options(
        connections=_connections(connection or []),
        pools=True if pools else None,
        pool=pool,
        select=tuple(select or ()),
        exclude=tuple(exclude or ()),
        variables=options.parse_variables(var),
        ignore=tuple(ignore or ()),
    )
    night = convert_file(file, chosen).night
    for warning in night.warnings:
        say(f"warning: {warning}")
    text = written(night, schedule=schedule, dag_id=dag_id, command=shlex.join(["aftrun", "export", target, file]))
    if output is None:
        emit(text)
        return 0
    if output.exists() and not force:
        raise UsageError(f"{output} exists already", hint="choose another name, or give --force")
    from aftrun.files import write_atomic  # noqa: PLC0415  # only for this flag

    write_atomic(output, text)
    return 0


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
