"""`AftJobOperator`: one AFT! job as one task.

At most once: `record` has the table of what a task does when it starts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import conf
from airflow.sdk.bases.operator import BaseOperatorMeta
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from aftrun.domain.model import Json, OnAmbiguous, Outcome
from aftrun_airflow.links import AftReportLink, AftServerLink
from aftrun_airflow.prepare import Settings
from aftrun_airflow.running import SELECTORS, RunsJob
from aftrun_airflow.templating import BadReference, References

Seconds = float | timedelta


class _Meta(BaseOperatorMeta):
    """Lets `params` mean the job's params. Airflow would mix those of the DAG in, and they would go to the server."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  # of a metaclass, `self` is a class
        if "params" in kwargs and not kwargs.get("_airflow_from_mapped"):
            kwargs["job_params"] = kwargs.pop("params")
        return super().__call__(*args, **kwargs)


class AftJobOperator(RunsJob, metaclass=_Meta):
    """Starts a job, follows it to its end, and ends as it did.

    The task succeeds when the job was seen to succeed. Airflow's `retries` start a new job only after an end that
    `retry_on` names; a fate that nobody knows is never retried. A task that starts again while its job runs
    follows that job.

    Values of `${VAR}` in `params` and in the script's name are fetched in the worker: from the environment, then
    from the Airflow Variable `VAR`; `${env:conn/ID/FIELD}` is a field of a connection, and `${file:…}` and
    `${keyring:…}` are as in manifests. They appear nowhere. What Jinja renders does: keep `{{ var.value.token }}`
    out of here.

    Args:
        script_name, script_id, file_path: exactly one: the script.
        params: the script's parameters (not Airflow's; `job_params` is another name for it, and the one to use with
            `expand`). Numbers and booleans go out as text unless the server's `paramValues` is `json`.
        aft_conn_id: a connection of type `aft`; not used where `server` is given and this is None.
        server: a server as manifests describe it, its key a `${…}`.
        wait: False: accepted is enough (outcome `submitted`).
        deferrable: follow the job in the triggerer; by default as `[operators] default_deferrable` says.
        timeout: seconds from acceptance to the end; by default a day.
        queue_timeout: seconds from acceptance until it leaves the server's queue.
        finish_by: `HH:MM` local time after the DAG run's start, or RFC 3339.
        expect: JMESPath conditions on the final job info; one that is false or null fails the job.
        outputs: name and JMESPath of what is handed on, as the XCom `outputs`.
        on_ambiguous: `fail`, or `resubmit`: whether a POST whose fate is unknown is followed by another.
        resubmit_unknown: the same for a task that is found with such a POST on record; for a person who has checked.
        correlation: name of a param that is set to `<DAG run>/<job>/<attempt>`.
        once: a key under which the task succeeds at most once, also when it is cleared; see `record`.
        allow_failure: a job that fails leaves the task successful, with a warning; never `unknown`.
        retry_on: after which outcomes Airflow's retries may start a new job.
        poll: `{min, max, fraction}` as in manifests, in place of the server's.
        base_dir: the folder that relative `${file:…}` and certificate paths are relative to.
        job_label: the job's name in `correlation` and messages; by default the task's id.

    XComs: `return_value` and `job_id`, `outcome`, `message`, `outputs`, `report`.
    """

    template_fields: Sequence[str] = (
        "script_name",
        "script_id",
        "file_path",
        "job_params",
        "aft_conn_id",
        "on_ambiguous",
        "resubmit_unknown",
        "once",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"job_params": "json"}
    operator_extra_links = (AftReportLink(), AftServerLink())
    ui_color = "#e4f0e8"

    def __init__(
        self,
        *,
        script_name: str | None = None,
        script_id: str | None = None,
        file_path: str | None = None,
        job_params: Mapping[str, str | int | float | bool] | None = None,
        aft_conn_id: str | None = "aft_default",
        server: Mapping[str, Json] | None = None,
        wait: bool = True,
        deferrable: bool | None = None,
        timeout: Seconds | None = None,
        queue_timeout: Seconds | None = None,
        finish_by: str | None = None,
        expect: Sequence[str] = (),
        outputs: Mapping[str, str] | None = None,
        on_ambiguous: str = "fail",
        resubmit_unknown: bool | str = False,
        correlation: str | None = None,
        once: str | None = None,
        allow_failure: bool = False,
        retry_on: Sequence[str] = ("failed",),
        poll: Mapping[str, Json] | None = None,
        base_dir: str = "",
        job_label: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if sum(each is not None for each in (script_name, script_id, file_path)) != 1:
            raise ValueError(f"task {self.task_id}: give exactly one of script_name, script_id and file_path")
        self.script_name = script_name
        self.script_id = script_id
        self.file_path = file_path
        # The very object: Airflow tells by its identity whether it is another task's data and must not be rendered.
        self.job_params = job_params
        self.aft_conn_id = aft_conn_id
        self.server = server
        self.wait = wait
        self.deferrable = (
            conf.getboolean("operators", "default_deferrable", fallback=False) if deferrable is None else deferrable
        )
        self.timeout = _seconds(timeout)
        self.queue_timeout = _seconds(queue_timeout)
        self.finish_by = finish_by
        self.expect = tuple(expect)
        self.outputs = dict(outputs or {})
        self.on_ambiguous = on_ambiguous
        self.resubmit_unknown = resubmit_unknown
        self.correlation = correlation
        self.once = once
        self.allow_failure = allow_failure
        self.retry_on = tuple(Outcome(word) for word in retry_on)
        self.poll = poll
        self.base_dir = base_dir
        self.job_label = job_label
        self.written: dict[str, Any] | None = None
        """The templated fields as a manifest would write them, once they are rendered."""
        self.hidden: tuple[str, ...] = ()

    # --- templates ------------------------------------------------------------------------------------------------

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, context: Any, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """Keep `${…}` away from Jinja, and what Jinja makes from being read as `${…}`.

        This is the one method through which mapped and other tasks are both rendered. Values that Airflow has
        resolved already (`seen_oids`) are data of other tasks: neither templates nor references.
        """
        references = References()
        fields = (*SELECTORS, "job_params")
        try:
            for name in fields:
                value = getattr(parent, name)
                if value is not None and id(value) not in seen_oids:
                    # Not by `setattr`, which Airflow takes for a change of the task's dependencies.
                    object.__setattr__(parent, name, references.take_out(value))
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            written = {name: references.for_manifest(getattr(parent, name)) for name in fields}
            for name in fields:
                object.__setattr__(parent, name, references.shown(getattr(parent, name)))
        except BadReference as error:
            raise AirflowFailException(f"{error}\nnothing was sent") from None
        parent.written = written
        parent.hidden = references.found

    def settings(self) -> Settings:
        """What the task says about its job, rendered.

        Raises:
            AirflowException: it has not been rendered, so nobody knows what are references and what is text.
        """
        if self.written is None:
            raise AirflowException("the task's templates have not been rendered, so nothing is sent")
        request: dict[str, Json] = {
            selector.value: self.written[name] for name, selector in SELECTORS.items() if self.written[name] is not None
        }
        if self.written["job_params"]:
            request["params"] = self.written["job_params"]
        if self.correlation:
            request["correlation"] = self.correlation.replace("$", "$$")
        return Settings(
            aft_conn_id=self.aft_conn_id,
            server=self.server,
            base_dir=self.base_dir,
            poll=self.poll,
            label=self.job_label or "",
            timeout=self.timeout,
            queue_timeout=self.queue_timeout,
            finish_by=self.finish_by or "",
            expect=self.expect,
            outputs=self.outputs,
            hidden=self.hidden,
            on_ambiguous=OnAmbiguous(self.on_ambiguous),
            wait=self.wait,
            request=request,
        )


def _seconds(value: Seconds | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value
