"""What Airflow is told of this provider: the connection type `aft`, its form, and where its classes are."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": ["string", "null"]}


def get_provider_info() -> dict[str, Any]:
    """The entry point `apache_airflow_provider`; its form is Airflow's `provider_info.schema.json`.

    The form's fields are declared here, as data: a hook that makes them in code (`get_connection_form_widgets`)
    has to be imported by the API server, and needs packages that Airflow 3 no longer brings.
    """
    return {
        "package-name": "aftrun-airflow",
        "name": "Syncplify AFT!",
        "description": "Jobs of `Syncplify AFT! <https://www.syncplify.com>`__: start them, follow them to their end.",
        "integrations": [
            {
                "integration-name": "Syncplify AFT!",
                "external-doc-url": "https://www.syncplify.com",
                "tags": ["service"],
            }
        ],
        "operators": [{"integration-name": "Syncplify AFT!", "python-modules": ["aftrun_airflow.operator"]}],
        "sensors": [{"integration-name": "Syncplify AFT!", "python-modules": ["aftrun_airflow.sensor"]}],
        "hooks": [{"integration-name": "Syncplify AFT!", "python-modules": ["aftrun_airflow.hook"]}],
        "triggers": [{"integration-name": "Syncplify AFT!", "python-modules": ["aftrun_airflow.trigger"]}],
        "connection-types": [
            {
                "connection-type": "aft",
                "hook-name": "Syncplify AFT!",
                "hook-class-name": "aftrun_airflow.hook.AftHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "schema"],
                    "relabeling": {"password": "API key"},
                    "placeholders": {
                        "host": "aft.example.com",
                        "port": "44399",
                        "password": "from AFT!'s web UI, API Keys; allow-list the workers and the triggerer",
                    },
                },
                "conn-fields": {
                    "fingerprint": {
                        "label": "Certificate pin",
                        "description": "sha256:…, as `aftrun trust URL` prints it; several with commas between",
                        "schema": _TEXT,
                    },
                    "caFile": {
                        "label": "CA file",
                        "description": "PEM on the workers and the triggerer, instead of a pin",
                        "schema": _TEXT,
                    },
                    "certFile": {"label": "Client certificate", "description": "PEM file", "schema": _TEXT},
                    "keyFile": {"label": "Client key", "description": "PEM file", "schema": _TEXT},
                    "jobInfo": {
                        "label": "Reading job infos",
                        "description": "JSON, as `server.jobInfo` of a manifest",
                        "schema": _TEXT,
                    },
                    "jobUrl": {
                        "label": "Link to a job",
                        "description": "Where your people look at a job, with {id} in it; shown as a link of the task",
                        "schema": _TEXT,
                    },
                },
            }
        ],
        "extra-links": ["aftrun_airflow.links.AftReportLink", "aftrun_airflow.links.AftServerLink"],
    }
