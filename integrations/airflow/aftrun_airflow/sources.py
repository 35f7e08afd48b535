"""Where servers and values come from in Airflow: connections, the environment, Variables. Secrets are masked."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aftrun.domain.errors import UsageError
from aftrun.domain.model import Json
from aftrun.domain.text import did_you_mean
from aftrun.domain.urls import DEFAULT_PORT

_TLS = ("fingerprint", "caFile", "certFile", "keyFile", "insecure", "plain")
_SERVER = (
    "connectTimeout",
    "headers",
    "jobInfo",
    "maxRequestsPerSecond",
    "paramValues",
    "paths",
    "poll",
    "readTimeout",
    "submitTimeout",
)
_OURS = ("jobUrl",)
_FIELDS = ("host", "login", "password", "port", "schema")
_CONNECTION = "conn/"


class Airflow:
    """Connections and Variables, as Airflow has them for this process; secrets back ends count.

    `keep` is for how many seconds what was found is used again: thousands of triggers ask for the same few things.
    """

    def __init__(self, keep: float = 0.0) -> None:
        self._keep = keep
        self._kept: dict[tuple[str, str], tuple[float, Any]] = {}

    def connection(self, conn_id: str) -> Any:
        """A connection.

        Raises:
            UsageError: there is none of that id.
        """
        return self._once("connection", conn_id, _connection)

    def variable(self, name: str) -> str | None:
        """A Variable; None where there is none."""
        found = self._once("variable", name, _variable)
        return None if found is None else str(found)

    def forget(self) -> None:
        """AskPerson anew from now on."""
        self._kept.clear()

    def _once(self, kind: str, name: str, find: Callable[[str], Any]) -> Any:
        now = time.monotonic()
        kept = self._kept.get((kind, name))
        if kept is not None and now - kept[0] < self._keep:
            return kept[1]
        found = find(name)
        self._kept[kind, name] = (now, found)
        return found


def _connection(conn_id: str) -> Any:
    from airflow.sdk import BaseHook  # noqa: PLC0415  # Airflow where it is needed; parsing a DAG needs none of it
    from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415  # as above

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise UsageError(
            f"Airflow has no connection {conn_id!r}",
            hint=f"create it: airflow connections add {conn_id} --conn-type aft --conn-host HOST --conn-password KEY",
        ) from None


def _variable(name: str) -> Any:
    from airflow.sdk import Variable  # noqa: PLC0415  # as above

    return Variable.get(name, default=None)


class AirflowValues(Mapping[str, str]):
    """What `${…}` finds in a task, by name.

    - ``${NAME}`` and ``${env:NAME}``: the process' environment, then the Airflow Variable NAME;
    - ``${env:conn/CONN_ID/FIELD}``: a connection's host, login, password, port, schema, or a key of its extra.
    """

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow

    def __getitem__(self, name: str) -> str:
        value = self._find(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def _find(self, name: str) -> str | None:
        value = os.environ.get(name)
        if value is not None:
            return value
        if not name.startswith(_CONNECTION):
            return self._airflow.variable(name)
        conn_id, _, field = name.removeprefix(_CONNECTION).rpartition("/")
        connection = self._airflow.connection(conn_id)
        found = getattr(connection, field) if field in _FIELDS else connection.extra_dejson.get(field)
        return None if found is None else str(found)


def mask(secrets: Iterable[str]) -> None:
    """Tell Airflow's masker, here and in the process that writes the logs."""
    from airflow.sdk.log import mask_secret  # noqa: PLC0415  # as above

    for secret in secrets:
        if secret.strip():
            mask_secret(secret)


def key_reference(conn_id: str) -> str:
    """What stands for a connection's API key, so that the key itself is fetched last and never passed around."""
    return f"${{env:{_CONNECTION}{conn_id}/password}}"


def server_of(conn_id: str, connection: Any) -> dict[str, Json]:
    """A connection of type `aft` as the `server` of a manifest. Its key stays a reference.

    Raises:
        UsageError: it has no host or no key, or its extra holds what nothing reads.
    """
    if not connection.host:
        raise UsageError(f"the connection {conn_id} names no host", hint="write the AFT! server's name or address")
    if not connection.password:
        raise UsageError(
            f"the connection {conn_id} has no API key",
            hint="create a key in AFT!'s web UI under API Keys, and put it into the connection's password",
        )
    server: dict[str, Json] = {"url": _url(connection), "apiKey": key_reference(conn_id)}
    tls: dict[str, Json] = {}
    for name, value in connection.extra_dejson.items():
        if value in (None, "") or name in _OURS:
            continue
        if name == "fingerprint" and isinstance(value, str):
            tls[name] = [pin.strip() for pin in value.split(",") if pin.strip()]
        elif name in _TLS:
            tls[name] = value
        elif name in _SERVER:
            server[name] = _parsed(name, value, conn_id)
        else:
            known = (*_TLS, *_SERVER, *_OURS)
            raise UsageError(
                f"the extra of connection {conn_id} holds {name!r}, which aftrun does not know",
                hint=did_you_mean(name, known) or f"it knows {', '.join(known)}",
            )
    if tls:
        server["tls"] = tls
    return server


def _url(connection: Any) -> str:
    host = str(connection.host).rstrip("/")
    if "://" in host:
        return host if connection.port is None else f"{host}:{connection.port}"
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{connection.schema or 'https'}://{bracketed}:{connection.port or DEFAULT_PORT}"


def _parsed(name: str, value: Json, conn_id: str) -> Json:
    """What the connection form gives as text: JSON where an object is meant."""
    if name in ("jobInfo", "paths", "poll", "headers") and isinstance(value, str):
        try:
            found: Json = json.loads(value)
        except ValueError:
            raise UsageError(
                f"{name!r} in the extra of connection {conn_id} is no JSON", hint='write an object: {"status": "state"}'
            ) from None
        return found
    return value
