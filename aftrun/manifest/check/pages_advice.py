"""Pages of the warnings: what works, but is probably not meant, or not wise."""

from __future__ import annotations

ADVICE: dict[str, tuple[str, str, str, str]] = {
    "AFT101": (
        (
            "`scriptId` is kept for integrations with AFT! v3. A name says what runs, and survives when the "
            "script is stored anew."
        ),
        "scriptId: kMz8fQ",
        "Use the script's name.",
        "scriptName: My Backup Job",
    ),
    "AFT102": (
        "`filePath` is the path of a `.syncjs` file on the server's disk, and this one does not end so.",
        "filePath: /opt/scripts/load",
        "Name the file with its extension. A script that is stored on the server is named with `scriptName`.",
        "filePath: /opt/scripts/load.syncjs",
    ),
    "AFT103": (
        ("An API key stands in the manifest, for all to read who can read the file, its copies and its history."),
        """
scriptName: x
server: {apiKey: abc123}
""",
        "Take it from outside, and have AFT! make a new key, since this one has been seen.",
        """
scriptName: x
server: {apiKey: "${AFT_API_KEY}"}
""",
    ),
    "AFT104": (
        ("The server's certificate is not verified: anyone on the way can read the API key and change what runs."),
        """
scriptName: x
server: {tls: {insecure: true}}
""",
        "Pin the certificate. `aftrun trust URL` prints the line.",
        """
scriptName: x
server: {tls: {fingerprint: "sha256:abababababababababababababababababababababababababababababababab"}}
""",
    ),
    "AFT105": (
        "A param has a name that people give to secrets, and its value stands in the manifest.",
        """
scriptName: x
params: {sftpPassword: hunter2}
""",
        "Take it from outside. What comes from `${…}` is never shown in plans, logs and reports.",
        """
scriptName: x
params: {sftpPassword: "${SFTP_PASSWORD}"}
""",
    ),
    "AFT106": (
        (
            "A job needs one with `wait: false`. The need is met as soon as that one is accepted, whatever "
            "becomes of it."
        ),
        """
jobs:
  - {name: watch, scriptName: monitor a folder and upload, wait: false}
  - {name: load, scriptName: x, needs: [watch]}
""",
        "Let it be waited for, or, if being accepted is enough, say so with `when: always`.",
        """
jobs:
  - {name: watch, scriptName: monitor a folder and upload, wait: false}
  - {name: load, scriptName: x, needs: [watch], when: always}
""",
    ),
    "AFT107": (
        (
            "A job with `when: failure` runs only if one of its needs did not succeed. This one needs nothing, or "
            "only jobs with `allowFailure: true`, whose failures do not count."
        ),
        """
jobs:
  - {name: load, scriptName: x}
  - {name: alarm, scriptName: Slack summary, when: failure}
""",
        "Name the jobs that it watches.",
        """
jobs:
  - {name: load, scriptName: x}
  - {name: alarm, scriptName: Slack summary, when: failure, needs: [load]}
""",
    ),
    "AFT108": (
        ("`http://` to another machine sends the API key and all params so that anyone on the way can read them."),
        """
scriptName: x
server: {url: "http://aft.example.com:44399"}
""",
        "Use `https://`. A self-signed certificate is pinned: `aftrun trust URL` prints the line.",
        """
scriptName: x
server: {url: "https://aft.example.com:44399"}
""",
    ),
    "AFT109": (
        "Two manifests of one run have the same name, so the second one gets a number.",
        """
name: nightly
jobs: [{scriptName: x}]
---
name: nightly
jobs: [{scriptName: y}]
""",
        "Give each a name of its own.",
        """
name: nightly
jobs: [{scriptName: x}]
---
name: nightly-reports
jobs: [{scriptName: y}]
""",
    ),
    "AFT110": (
        "`correlation` names a param that aftrun fills, and `params` gives it a value too, which is lost.",
        """
scriptName: x
correlation: job_id
params: {job_id: "7"}
""",
        "Remove one of the two.",
        """
scriptName: x
correlation: job_id
""",
    ),
    "AFT111": (
        "A job needs one that never runs, so it never runs either.",
        """
jobs:
  - {name: alarm, scriptName: x, when: failure}
  - {name: tidy, scriptName: y, needs: [alarm]}
""",
        "Mend the job that never runs.",
        """
jobs:
  - {name: load, scriptName: x}
  - {name: alarm, scriptName: x, when: failure, needs: [load]}
  - {name: tidy, scriptName: y, needs: [alarm]}
""",
    ),
    "AFT112": (
        (
            "With `wait: false`, being accepted is enough, so aftrun never reads the final job info that `expect` "
            "and `outputs` are about."
        ),
        """
scriptName: monitor a folder and upload
wait: false
expect: ["exitCode == `0`"]
""",
        "Let the job be waited for, or remove them.",
        """
scriptName: monitor a folder and upload
wait: false
""",
    ),
}
"""By code: what it means, an example, how to mend it, the example mended."""
