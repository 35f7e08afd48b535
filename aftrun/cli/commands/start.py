"""`aftrun start`: one job without a manifest, with the flags of `aft start`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from aftrun.cli import options, serverflags
from aftrun.cli.boundary import say
from aftrun.cli.choices import Output
from aftrun.cli.flags import flag
from aftrun.cli.running import bind_all, carry_out, duration
from aftrun.cli.sandboxes import check_scenario, sandbox_for
from aftrun.domain.digits import Digits, exact_json
from aftrun.domain.errors import ManifestError, UsageError
from aftrun.domain.frozen import dataclass
from aftrun.domain.text import json_fault
from aftrun.service.options import RunOptions
from aftrun.service.started import PATH, in_place

if TYPE_CHECKING:
    from aftrun.domain.model import Json
    from aftrun.manifest import Loaded
    from aftrun.manifest.policy import Policy

_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON takes as it is, and YAML refuses or takes for the end of a line."""
_FLAT = "params are flat: each value is text, a number, true or false"
_EXAMPLE = """for example --params '{"character": "goofy"}'"""


@dataclass(frozen=True, slots=True)
class JobFlags:
    """The job, with the flags of `aft start`."""

    name: Annotated[str | None, flag("--name", "-n", help="Run the stored script of this name.", metavar="SCRIPT")] = (
        None
    )
    script_id: Annotated[
        str | None, flag("--script-id", "-s", help="Run the stored script with this id (v3).", metavar="ID")
    ] = None
    file: Annotated[
        str | None, flag("--file", "-f", help="Run this .syncjs file, which is on the server's disk.", metavar="PATH")
    ] = None
    params: Annotated[
        str | None,
        flag("--params", "-p", help="The params as a JSON object, or as v3's list of {name, value}.", metavar="JSON"),
    ] = None
    param: Annotated[
        tuple[str, ...],
        flag("--param", help="One param (repeatable); it wins over --params.", metavar="NAME=VALUE", many=str),
    ] = ()


def start(
    job: JobFlags,
    key: serverflags.KeyFlags,
    server: options.ServerFlags,
    view: options.ViewFlags,
    ending: options.ReportFlags,
    state: options.StateFlags,
    policy: options.PolicyFlags,
    host: Annotated[
        str | None, flag("--host", help="The server; default 127.0.0.1:44399.", metavar="HOST:PORT")
    ] = None,
    wait: Annotated[
        bool,
        flag("--wait/--no-wait", help="Wait for the end, or be content once it is accepted, as `aft start`."),
    ] = True,
    timeout: Annotated[
        str | None,
        flag("--timeout", help="How long the job may take from its acceptance; default 24h.", metavar="D"),
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", help="Show the request and send nothing.")] = False,
    sandbox: options.WithSandbox = False,
    scenario: options.Scenario = None,
    job_info_from: serverflags.JobInfoFrom = None,
    env_file: options.EnvFiles = None,
) -> int:
    """Start one job without a manifest, and wait for its end. Takes the flags of `aft start`.

    The key comes from AFT_API_KEY, a file, the keyring, or is asked for. As in a manifest, ${VAR} in a param is
    filled in from the environment and never shown, and $$ stands for a literal $. The run is on record as any other:
    `aftrun resume` takes it up after an interruption.
    """
    from aftrun.manifest import without_keys
    from aftrun.service.prepare import prepare, prepare_run

    if host is not None and server.server is not None:
        raise UsageError("--host and --server exclude each other", hint="keep one of them")
    key.check()
    check_scenario(sandbox, scenario)
    address = server.server if server.server is not None else host
    outer = policy.environ(env_file)
    loaded = _load(manifest_text(job, key), outer.policy)
    chosen = RunOptions(
        paths=(PATH,),
        url=None if address is None else serverflags.full_url(address),
        ca_file=server.tls.ca_file,
        fingerprints=server.tls.fingerprint,
        insecure=server.insecure,
        insecure_http=server.tls.insecure_http,
        no_wait=not wait,
        timeout=duration(timeout),
        sandbox=sandbox,
    ).with_words(serverflags.job_info_from(job_info_from))
    if dry_run:
        from aftrun.cli.commands.plan import PlanFormat, show_plan  # only for this flag

        form = PlanFormat.JSON if ending.output is Output.JSON else PlanFormat.TEXT
        show_plan(loaded.manifests, chosen, outer, form, state_dir=state.folder)
        return 0
    ending = ending.beside(view)
    with sandbox_for(sandbox, scenario) as server_here:
        manifests = prepare(loaded.manifests, chosen, server_here)
        environ = key.environ(outer, chosen.url or "https://127.0.0.1:44399", needed=not sandbox)
        if server_here is not None:
            environ = without_keys(environ, loaded.manifests, server_here.api_key)
        setup = prepare_run(manifests, bind_all(manifests, environ, loaded), chosen)
        return carry_out(setup, state.folder, view, ending, files=loaded.files)


def manifest_text(job: JobFlags, key: serverflags.KeyFlags) -> str:
    """The flags as a manifest, which is what is run and kept, so that `resume` and `retry` work as for any other.

    Raises:
        UsageError: not exactly one script, or params that are none.
    """
    given = {"scriptName": job.name, "scriptId": job.script_id, "filePath": job.file}
    chosen = {field: value for field, value in given.items() if value is not None}
    if len(chosen) != 1:
        flags = {"scriptName": "--name", "scriptId": "--script-id", "filePath": "--file"}
        said = " and ".join(flags[field] for field in chosen) or "none"
        raise UsageError(
            f"exactly one of --name, --script-id and --file says which script runs; given: {said}",
            hint="for example aftrun start -n 'My Backup Job'",
        )
    values = {**(parse_params(job.params) if job.params is not None else {}), **parse_pairs(job.param)}
    data: dict[str, Any] = dict(chosen)
    if not next(iter(chosen.values())):
        raise UsageError("the script's name is empty", hint="for example aftrun start -n 'My Backup Job'")
    if values:
        data["params"] = values
    server: dict[str, Json] = {"apiKey": key.reference().raw}
    if any(not isinstance(value, str) for value in values.values()):
        server["paramValues"] = "json"  # `aft start` sends numbers and booleans as what they are
    manifest = {"version": 1, "name": PATH, "server": server, "jobs": [data]}
    text = exact_json(manifest, indent=2, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--params holds {twice!r} twice", hint="keep one of the two")
    return result


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def parse_params(text: str) -> dict[str, Json]:
    """`--params`: a JSON object, or v3's `[{"name": …, "value": …}]`.

    Raises:
        UsageError: it is neither, or a value is null, a list or a map.
    """
    try:
        data: Any = json.loads(text, object_pairs_hook=_once, parse_float=Digits, parse_constant=_no_number)
    except RecursionError:
        raise UsageError("--params is nested too deeply, and params are flat", hint=_EXAMPLE) from None
    except ValueError as error:
        # The text itself is not shown: params may hold what is not for everybody.
        where = f": {json_fault(error)}" if isinstance(error, json.JSONDecodeError) else ""
        quotes = "; the shell may have taken the quotes away" if '"' not in text else ""
        raise UsageError(f"--params is no JSON{where}{quotes}", hint=_EXAMPLE) from error
    if isinstance(data, list) and data:
        if not all(isinstance(item, dict) and set(item) == {"name", "value"} for item in data):
            raise UsageError("--params is a list, but not of {name, value}", hint=_EXAMPLE)
        data = _once([(str(item["name"]), item["value"]) for item in data])
    if not isinstance(data, dict):
        if data == []:
            return {}
        raise UsageError("--params is no JSON object", hint=_EXAMPLE)
    for name, value in data.items():
        if value is None or isinstance(value, list | dict):
            what = "null" if value is None else "a list" if isinstance(value, list) else "a map"
            raise UsageError(f"--params: the value of {name!r} is {what}", hint=_FLAT)
    return data


def parse_pairs(pairs: Sequence[str]) -> dict[str, Json]:
    """`--param NAME=VALUE`; the last of a name wins.

    Raises:
        UsageError: one has no `=` or no name.
    """
    result: dict[str, Json] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            shown = name if equals else "a --param"
            raise UsageError(f"{shown or '--param'}: not of the form NAME=VALUE", hint="for example --param year=2027")
        result[name] = value
    return result


def _load(text: str, policy: Policy) -> Loaded:
    """Load the manifest, with what it warns of said in the words of the command line."""
    from aftrun.manifest import load_all  # the parser is for commands that read manifests

    try:
        loaded = load_all([PATH], read=lambda _: text.encode(), policy=policy)
    except ManifestError as error:
        raise in_place(error, error.files) from error
    if any(problem.code == "AFT105" for problem in loaded.warnings) and len(sys.argv) > 1:
        say("warning: a param looks like a secret; on the command line other users of this machine can see it, and it")
        say("  is shown in reports. Set a variable and write, in single quotes: --param 'token=${TOKEN}'")
    return loaded


__all__ = ["manifest_text", "parse_pairs", "parse_params", "start"]
