"""Pages of the codes about meaning: references, names, needs, servers."""

from __future__ import annotations

MEANING: dict[str, tuple[str, str, str, str]] = {
    "AFT040": (
        "A `${` or `${{` is not finished, or what stands in it is none of the known forms.",
        """
scriptName: x
params: {a: "${HOME", b: "${vault:key}", c: "costs $${5}", d: "${{ job.id }}"}
""",
        (
            "The forms are `${VAR}`, `${env:VAR}`, `${file:PATH}` and `${keyring:SERVICE/USER}`, each with "
            "`:-default` or `:?message`, and `${{ vars.x }}`, `${{ matrix.x }}`, `${{ run.id }}`, `${{ run.date "
            "}}`, `${{ run.started }}`, `${{ jobs.NAME.id }}` and `${{ jobs.NAME.outputs.x }}`. A literal `$` is "
            "written `$$`."
        ),
        """
scriptName: x
params: {a: "${HOME}", b: "${keyring:aft/key}", c: "costs $${5}", d: "${{ run.id }}"}
""",
    ),
    "AFT041": (
        (
            "References are not allowed in names, keys, needs, tags, conditions and matrices, which must be known "
            "before anything is looked up, and `vars` cannot be made from other values of the manifest. What plans, "
            "events and reports show (descriptions, a job's server, concurrency, correlation, expressions, paths) "
            "takes `${{ vars.x }}` and `${{ matrix.x }}`, but no `${…}`, whose values are never shown."
        ),
        """
jobs:
  - name: load-${REGION}
    scriptName: x
""",
        "Write the text itself. `matrix` makes several jobs of one.",
        """
jobs:
  - name: load
    scriptName: x
    params: {region: "${REGION}"}
""",
    ),
    "AFT042": (
        (
            "A `${{ … }}` names a variable, an axis or a job that does not exist, or something that is not known "
            "in this place."
        ),
        """
vars: {year: "2026"}
jobs:
  - scriptName: My Backup Job
    params: {destination: "/archive/${{ vars.yaer }}"}
""",
        "Correct the name, or declare it.",
        """
vars: {year: "2026"}
jobs:
  - scriptName: My Backup Job
    params: {destination: "/archive/${{ vars.year }}"}
""",
    ),
    "AFT043": (
        (
            "A job uses the id or an output of another one that it does not need. It could start before the other "
            "has ended."
        ),
        """
jobs:
  - {name: extract, scriptName: S3 to SFTP relay}
  - name: report
    scriptName: report to an external workflow API
    params: {job_id: "${{ jobs.extract.id }}"}
""",
        "Add the other job to `needs`.",
        """
jobs:
  - {name: extract, scriptName: S3 to SFTP relay}
  - name: report
    scriptName: report to an external workflow API
    needs: [extract]
    params: {job_id: "${{ jobs.extract.id }}"}
""",
    ),
    "AFT044": (
        (
            "A job with a `matrix` becomes several, each with an id of its own, so its name alone does not say "
            "which is meant."
        ),
        """
jobs:
  - {name: load, scriptName: x, matrix: {region: [eu, us]}}
  - {name: tell, scriptName: y, needs: [load], params: {id: "${{ jobs.load.id }}"}}
""",
        "Name one of its copies.",
        """
jobs:
  - {name: load, scriptName: x, matrix: {region: [eu, us]}}
  - {name: tell, scriptName: y, needs: [load], params: {id: "${{ jobs.load[eu].id }}"}}
""",
    ),
    "AFT045": (
        "A job uses an output that the other job does not declare.",
        """
jobs:
  - {name: extract, scriptName: x}
  - {name: load, scriptName: y, needs: [extract], params: {files: "${{ jobs.extract.outputs.files }}"}}
""",
        "Declare it there, with a JMESPath expression on the job info.",
        """
jobs:
  - {name: extract, scriptName: x, outputs: {files: result.files}}
  - {name: load, scriptName: y, needs: [extract], params: {files: "${{ jobs.extract.outputs.files }}"}}
""",
    ),
    "AFT046": (
        (
            "A value from outside is needed and not there: a variable is not set, a file does not exist, a "
            "keyring has no entry. `validate` needs no values; `apply` checks all of them before the first "
            "request."
        ),
        """
scriptName: x
params: {token: "${UPSTREAM_TOKEN}"}
""",
        (
            "Set the variable before aftrun starts, put it into a file for `--env-file`, or give a default. A "
            "missing `AFT_API_KEY` is created in AFT!'s web UI under API Keys; this machine's address must be on "
            "its allow-list."
        ),
        """
scriptName: x
params: {token: "${UPSTREAM_TOKEN:-none}"}
""",
    ),
    "AFT047": (
        (
            "A value from outside was found, but what it makes cannot be used here: no duration, no URL, no "
            "fingerprint, a key with a line break in it. The value itself is never shown. (The example has the "
            "problem where `AFT_TIMEOUT` is set to `soon`.)"
        ),
        """
scriptName: x
timeout: "${AFT_TIMEOUT:-soon}"
""",
        "Correct the value at its source.",
        """
scriptName: x
timeout: "${AFT_TIMEOUT:-2h}"
""",
    ),
    "AFT050": (
        "Two jobs of one manifest have the same name. A job without a name is called after its script.",
        """
jobs:
  - {scriptName: My Backup Job, params: {destination: /a}}
  - {scriptName: My Backup Job, params: {destination: /b}}
""",
        "Give each a name of its own.",
        """
jobs:
  - {name: first, scriptName: My Backup Job, params: {destination: /a}}
  - {name: second, scriptName: My Backup Job, params: {destination: /b}}
""",
    ),
    "AFT051": (
        "`needs` names a job that the manifest does not have.",
        """
jobs:
  - {name: extract, scriptName: x}
  - {name: load, scriptName: y, needs: [extrakt]}
""",
        "Correct the name. Jobs of other manifests cannot be needed; manifests run one after another.",
        """
jobs:
  - {name: extract, scriptName: x}
  - {name: load, scriptName: y, needs: [extract]}
""",
    ),
    "AFT052": (
        "Jobs need each other in a circle, so none of them could ever start.",
        """
jobs:
  - {name: a, scriptName: x, needs: [b]}
  - {name: b, scriptName: y, needs: [a]}
""",
        "Remove one of the needs that the message shows.",
        """
jobs:
  - {name: a, scriptName: x}
  - {name: b, scriptName: y, needs: [a]}
""",
    ),
    "AFT053": (
        (
            "A name cannot be used: it holds a slash (a job is called `manifest/job` where its name alone is "
            "ambiguous), a line break, blanks at an end, or more than 200 characters."
        ),
        """
jobs:
  - {name: eu/load, scriptName: x}
""",
        "Choose another one.",
        """
jobs:
  - {name: eu-load, scriptName: x}
""",
    ),
    "AFT054": (
        "A job asks for a server that `servers` does not hold.",
        """
servers: {eu: {url: "https://aft.example.com:44399"}}
jobs:
  - {scriptName: x, server: ue}
""",
        "Correct the name, or add the server.",
        """
servers: {eu: {url: "https://aft.example.com:44399"}}
jobs:
  - {scriptName: x, server: eu}
""",
    ),
    "AFT055": (
        (
            "An included file is missing, cannot be read, holds several documents, lies outside the folder of the "
            "manifest, or includes itself."
        ),
        """
include: manifest.yaml
jobs: [{scriptName: x}]
""",
        "Included files lie beside the manifest or below; paths are relative to the file that includes them.",
        "jobs: [{scriptName: x}]",
    ),
    "AFT056": (
        "There are three ways to say how a server's certificate is verified, and they contradict each other.",
        """
scriptName: x
server: {tls: {caFile: aft.pem, fingerprint: "sha256:abababababababababababababababababababababababababababababababab"}}
""",
        ("Keep one: `caFile` for a certificate authority of your own, `fingerprint` for a self-signed certificate."),
        """
scriptName: x
server: {tls: {caFile: aft.pem}}
""",
    ),
    "AFT057": (
        "The URL of a server, or one to notify, cannot be used.",
        """
scriptName: x
server: {url: "127.0.0.1:44399"}
""",
        "The form is `https://HOST:PORT`. Keys and passwords do not belong into it.",
        """
scriptName: x
server: {url: "https://127.0.0.1:44399"}
""",
    ),
    "AFT058": (
        "An expression in `expect`, `outputs` or `jobInfo` is not JMESPath.",
        """
scriptName: x
expect: ["exitCode =="]
""",
        "Numbers are written between backticks, texts between single quotes; see https://jmespath.org.",
        """
scriptName: x
expect: ["exitCode == `0`"]
""",
    ),
    "AFT059": (
        (
            "A matrix has no axis, an axis holds a value twice, `exclude` names what is not there or leaves "
            "nothing, or there would be too many copies (10,000 of a job, 200,000 of a manifest)."
        ),
        """
jobs:
  - {name: load, scriptName: x, matrix: {region: [eu, us], exclude: [{regoin: eu}]}}
""",
        "Correct the names, and use shorter lists.",
        """
jobs:
  - {name: load, scriptName: x, matrix: {region: [eu, us], exclude: [{region: eu}]}}
""",
    ),
    "AFT060": (
        "A manifest has either one `server` or several `servers`.",
        """
server: {url: "https://a.example.com:44399"}
servers: {b: {url: "https://b.example.com:44399"}}
jobs: [{scriptName: x}]
""",
        "Move the single server into `servers`, under a name; the first is the default.",
        """
servers:
  a: {url: "https://a.example.com:44399"}
  b: {url: "https://b.example.com:44399"}
jobs: [{scriptName: x}]
""",
    ),
    "AFT061": (
        (
            "A header cannot be set: its name or value has characters that headers cannot have, it is given "
            "twice, or it is one that aftrun sets itself."
        ),
        """
scriptName: x
server: {headers: {X-API-Key: "${KEY}"}}
""",
        "Remove it, or mend it. The key is set with `apiKey`.",
        """
scriptName: x
server: {apiKey: "${KEY}"}
""",
    ),
}
"""By code: what it means, an example, how to mend it, the example mended."""
