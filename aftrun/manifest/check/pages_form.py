"""Pages of the codes about a file's form: is it YAML, and has it the keys that a manifest has."""

from __future__ import annotations

FORM: dict[str, tuple[str, str, str, str]] = {
    "AFT001": (
        (
            "The file is not YAML, so nothing in it can be read. The place is where the reader gave up, which may "
            "be a little after the slip."
        ),
        "scriptName: transform: a CSV in transit",
        (
            "Put text in quotes if it holds `: ` or begins with a special character, close what is open, and "
            "check the indentation."
        ),
        """
scriptName: "transform: a CSV in transit"
""",
    ),
    "AFT002": (
        (
            "Manifests are UTF-8 text. This file holds a byte that UTF-8 does not have, or it is UTF-16: often it "
            "was saved by an editor in an older encoding. (The example stands for a file with the single byte "
            "0xFC for the ü.)"
        ),
        "scriptName: Prüfung",
        "Save the file again as UTF-8.",
        "scriptName: Prüfung",
    ),
    "AFT003": (
        (
            "A control character stands in the file, where nobody can see it. It is mostly pasted in by accident. "
            "(The example stands for a file with an escape character after `Backup`.)"
        ),
        "scriptName: My Backup Job",
        "Remove it. Where it is really meant, write it as an escape between double quotes.",
        r"""
scriptName: My Backup Job
params: {separator: "\u001b"}
""",
    ),
    "AFT004": (
        "A line is indented with a tab. YAML allows only spaces there.",
        "scriptName: x\nparams:\n\ta: b",
        "Indent with spaces.",
        """
scriptName: x
params:
  a: b
""",
    ),
    "AFT005": (
        (
            "One mapping has the same key twice. Other readers would silently keep the last one; aftrun does not "
            "guess which one is meant."
        ),
        """
scriptName: My Backup Job
params:
  destination: /archive/2026
  destination: /archive/2027
""",
        "Remove one of the two.",
        """
scriptName: My Backup Job
params:
  destination: /archive/2027
""",
    ),
    "AFT006": (
        (
            "A tag such as `!secret` or `!!python/object` stands before a value. Manifests are plain data: only "
            "YAML's own simple types are known, and nothing is ever executed."
        ),
        """
scriptName: x
params: {region: !env REGION}
""",
        "Remove the tag. Values from outside are written `${…}`.",
        """
scriptName: x
params: {region: "${REGION}"}
""",
    ),
    "AFT007": (
        "A key is not text: a number, `true`, nothing at all, a list or a mapping.",
        """
scriptName: x
params: {2026: /archive}
""",
        "Put the key in quotes.",
        """
scriptName: x
params: {"2026": /archive}
""",
    ),
    "AFT008": (
        (
            "A file may have 64 MiB, a million values (an alias counts with everything it stands for) and 64 "
            "levels. This one has more, so it was not read to its end."
        ),
        "x-deep: " + "[" * 70 + "]" * 70 + "\nscriptName: x",
        "Split it into several manifests and give them all to one command.",
        "scriptName: x",
    ),
    "AFT009": (
        (
            "An alias `*name` has no anchor `&name` before it, stands inside what it stands for, or `<<` merges "
            "something that is no mapping."
        ),
        """
scriptName: x
params: {<<: *common, b: c}
""",
        "Write the anchor before the alias.",
        """
x-common: &common {a: b}
scriptName: x
params: {<<: *common, b: c}
""",
    ),
    "AFT010": (
        "The file holds nothing, only comments, or something else altogether: none of its keys is one of a manifest.",
        "# scriptName: My Backup Job",
        "Write a manifest. The smallest one is one line.",
        "scriptName: My Backup Job",
    ),
    "AFT020": (
        (
            "A value is of the wrong type: a list where text is asked for, text where a number is, and so on. "
            "Without quotes `1.10` is a number and `true` is a switch."
        ),
        """
name: 2026
jobs:
  - scriptName: My Backup Job
""",
        "Give it the type that the message names. Quotes make text of anything.",
        """
name: "2026"
jobs:
  - scriptName: My Backup Job
""",
    ),
    "AFT021": (
        (
            "A key that does not exist, or not in this place. It is refused, since a misspelt `timeout` would "
            "otherwise be no timeout at all."
        ),
        """
scriptName: My Backup Job
timeuot: 2h
""",
        "Correct the spelling, or move it to where the hint says. Keys of your own begin with `x-`.",
        """
scriptName: My Backup Job
timeout: 2h
x-owner: Bob
""",
    ),
    "AFT022": (
        (
            "Something is missing that belongs beside what is there: a client certificate without its key, or a "
            "manifest without any job."
        ),
        """
scriptName: x
server: {tls: {certFile: client.pem}}
""",
        "Add what is missing.",
        """
scriptName: x
server: {tls: {certFile: client.pem, keyFile: client.key}}
""",
    ),
    "AFT023": (
        "A job does not say which script it is to run.",
        """
jobs:
  - name: backup
    params: {destination: /archive/2026}
""",
        (
            "Give exactly one of `scriptName` (a script stored on the server), `filePath` (a `.syncjs` file on "
            "the server's disk) and `scriptId` (for old integrations)."
        ),
        """
jobs:
  - name: backup
    scriptName: My Backup Job
    params: {destination: /archive/2026}
""",
    ),
    "AFT024": (
        "A job says in two or three ways which script it runs. AFT! takes exactly one.",
        """
scriptName: My Backup Job
filePath: /opt/scripts/backup.syncjs
""",
        "Keep one of them.",
        "scriptName: My Backup Job",
    ),
    "AFT025": (
        "The value is none of the words that the key takes.",
        """
jobs: [{scriptName: x}]
strategy: {order: paralel}
""",
        "Use one of the words that the message names.",
        """
jobs: [{scriptName: x}]
strategy: {order: parallel}
""",
    ),
    "AFT026": (
        "The value has not the form that the key takes: a duration, a time of day, a fingerprint, a path.",
        """
scriptName: x
timeout: 2 hours
""",
        "Durations are a number and a unit, one or several: `500ms`, `30s`, `5m`, `2h`, `1d`, `1h30m`.",
        """
scriptName: x
timeout: 2h
""",
    ),
    "AFT027": (
        "A number is too small or too large.",
        """
jobs: [{scriptName: x}]
strategy: {order: parallel, maxParallel: 0}
""",
        "Use one within the bounds that the message names.",
        """
jobs: [{scriptName: x}]
strategy: {order: parallel, maxParallel: 8}
""",
    ),
    "AFT028": (
        (
            "This is how requests were written for AFT! v3: with a `jobType`, or with params as a list of name "
            "and value."
        ),
        """
jobType: SCRIPT
scriptName: My Backup Job
params: [{name: destination, value: /archive/2026}]
""",
        "Remove `jobType`, and write params as a mapping, as the hint shows.",
        """
scriptName: My Backup Job
params: {destination: /archive/2026}
""",
    ),
    "AFT029": (
        "AFT! takes named parameters whose values are flat text. A list, a mapping or nothing cannot be one.",
        """
scriptName: x
params:
  files: [a.csv, b.csv]
  filter: {ext: csv}
  prefix:
""",
        (
            "Join lists to one text and split it in the script, or use `matrix` to run the job once for each; "
            'give the parts of a mapping names of their own; write `""` for empty text.'
        ),
        """
scriptName: x
params:
  files: "a.csv,b.csv"
  filter_ext: csv
  prefix: ""
""",
    ),
    "AFT030": (
        "Something is empty that must not be: a script's name, the list of jobs, the values of a matrix.",
        "jobs: []",
        "Fill it, or remove it.",
        "jobs: [{scriptName: My Backup Job}]",
    ),
    "AFT031": (
        "`version` names a format of manifests that this aftrun does not know.",
        """
version: 2
jobs: [{scriptName: x}]
""",
        "Write `version: 1`, or use a newer aftrun.",
        """
version: 1
jobs: [{scriptName: x}]
""",
    ),
}
"""By code: what it means, an example, how to mend it, the example mended."""
