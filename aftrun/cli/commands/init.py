"""`aftrun init`: a commented manifest to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from aftrun.cli.boundary import Form, emit, say
from aftrun.cli.flags import argument, flag
from aftrun.domain.text import one_line
from aftrun.system.shell import quoted

STARTER = """\
# yaml-language-server: $schema=https://raw.githubusercontent.com/aftrun/aftrun/main/schemas/manifest.schema.json
#
# Jobs for Syncplify AFT!, run by aftrun:
#
#   aftrun validate {file}            check it; needs no server and no key
#   aftrun plan {file}                show what would be sent, in which order; sends nothing
#   aftrun apply {file} --sandbox     try it here; starts no real job
#   aftrun apply {file}               run it
#
# Every key is described in the schema, which editors show, and which `aftrun schema` prints.
version: 1
name: "{name}"

server:
  url: https://127.0.0.1:44399
  # Keys are made in AFT!'s web UI, Settings > API Keys; each has an allow-list, which must hold this machine's address.
  # ${{…}} takes a value from outside (a variable, ${{file:PATH}}, ${{keyring:SERVICE/USER}}) and is never shown.
  apiKey: ${{AFT_API_KEY}}
  # AFT! begins with a self-signed certificate. `aftrun trust https://127.0.0.1:44399` prints the line that pins it:
  # tls: {{fingerprint: "sha256:…"}}

vars:
  year: "2026" # --var year=2027 overrides

defaults:
  timeout: 2h # how long a job may take, from its acceptance to its end

strategy:
  order: sequential # or parallel, with maxParallel: 8

jobs:
  # Exactly one of scriptName (a script stored on the server), filePath (a .syncjs file on the server's disk), scriptId.
  - name: backup
    scriptName: My Backup Job
    # What the script reads with Param("destination"). Values arrive as the text that is written here.
    params:
      destination: "/archive/${{{{ vars.year }}}}" # ${{{{ … }}}} takes a value from inside, and is shown
      character: goofy

  - name: purge
    scriptName: purge old files from an archive
    needs: [backup] # starts only when the backup has succeeded
    params: {{destination: "/archive/${{{{ vars.year }}}}"}}

  - name: tell
    scriptName: report to an external workflow API
    needs: [backup, purge]
    when: always # or failure; default: success
    params: {{upstream: "${{{{ jobs.backup.id }}}}"}} # the id that the server gave the job
"""


def starter(file: str, name: str) -> str:
    """The starter manifest. `file` is its path as comments show it."""
    return STARTER.format(file=file, name=name)


def init(
    path: Annotated[str, argument(help="Where to write it; - prints it.", metavar="FILE")] = "aft.yaml",
    force: Annotated[bool, flag("--force", help="Overwrite what is there.")] = False,
) -> int:
    """Write a commented manifest to begin with. It validates as it is, and runs against the sandbox."""
    if path == "-":
        emit(starter("FILE", "starter"), Form.SCRIPT)
        return 0
    target = Path(path)
    from aftrun.system.files import create  # only where a file is written

    stem = "".join(char if char.isalnum() or char in "-_." else "-" for char in target.stem) or "starter"
    create(target, starter(one_line(path), stem), say, force=force)
    say(f"wrote {path}; check it with: aftrun validate {quoted(path)}")
    return 0
