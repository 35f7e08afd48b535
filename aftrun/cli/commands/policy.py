"""`aftrun policy`: the policy that manifests are held to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aftrun.cli import complete, options
from aftrun.cli.boundary import Form, emit, say
from aftrun.cli.choices import PolicyAction
from aftrun.cli.flags import argument, flag
from aftrun.domain.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from aftrun.manifest import Loaded

_SUFFIXES = (".yaml", ".yml", ".json")
_NO_MANIFEST = "AFT010"


def policy(
    action: Annotated[PolicyAction, argument(help="`init` writes a policy, `show` prints the one that is in force.")],
    flags: options.PolicyFlags,
    files: Annotated[
        list[str] | None,
        argument(
            help="For `init`: the manifests that it shall allow. Default: those here, and in the folder manifests.",
            metavar="FILE",
            show_default=False,
            complete=complete.manifests,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        flag("--output", "-o", help="For `init`: where to write it.", metavar="PATH", mirrored=False),
    ] = None,
    force: Annotated[bool, flag("--force", help="For `init`: overwrite what is there.")] = False,
) -> int:
    """Say what manifests may do that come from somebody else.

    A policy lists the servers, values from outside, scripts and places for notices that manifests may name. `init`
    writes .aftrun-policy.yaml, which allows what the manifests here do, and nothing else; read it before you rely on
    it. No value from outside is read.
    """
    from aftrun.manifest import policyfile  # the parser is for commands that read manifests
    from aftrun.system.inputs import decoded  # the same

    if action is PolicyAction.SHOW:
        found = flags.in_force()
        if not found.path:
            say(f"no policy is in force: there is no --policy, and no {policyfile.NAME} from here up; all is allowed")
            return 0
        say(f"policy: {found.path}")
        emit(decoded(Path(found.path).read_bytes()).replace("\r\n", "\n"), Form.SCRIPT)
        return 0
    from aftrun.system.files import create  # only where a file is written

    target = Path(policyfile.NAME) if output is None else output
    loaded = _loaded(files or [])
    manifests = [each for one in loaded for each in one.manifests]
    references = [each for one in loaded for each in one.references]
    create(target, policyfile.made_of(manifests, references, os.path.realpath(target.parent)), say, force=force)
    policyfile.read(target)  # it is ours, so a mistake in it is a bug of ours; this keeps it from being found later
    count = len(manifests)
    say(f"wrote {target}, which allows what {count} manifest{'' if count == 1 else 's'} do; read it, and commit it")
    return 0


def _loaded(files: Sequence[str]) -> list[Loaded]:
    """The manifests of the files that were named, or of all files here that hold one."""
    from aftrun.manifest import load_all  # the parser is for commands that read manifests
    from aftrun.manifest.policy import OPEN

    if files:
        return [load_all(files, policy=OPEN, insecure_http=True)]
    found: list[Loaded] = []
    for folder in (Path(), Path("manifests")):
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in paths:
            if path.suffix not in _SUFFIXES or path.name.startswith(".") or not path.is_file():
                continue
            try:
                found.append(load_all([str(path)], policy=OPEN, insecure_http=True))
            except ManifestError as error:
                if {each.code for each in error.problems} != {_NO_MANIFEST}:
                    raise  # it is meant to be one
    if not found:
        raise UsageError("there is no manifest here", hint="name them: aftrun policy init FILE…")
    return found


__all__ = ["policy"]
