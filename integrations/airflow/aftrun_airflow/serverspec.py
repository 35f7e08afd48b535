"""`ServerSpec` → the `server` of a manifest as JSON: what the operator is told, nothing filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aftrun.domain.durations import format_duration
from aftrun.domain.model import JobInfoMap, Poll, ServerSpec, Tls
from aftrun.domain.values import Outside, Template, Value
from aftrun_airflow.templates import TemplateWriter, portable, relative

_DEFAULT = ServerSpec()


def describe(server: ServerSpec, texts: TemplateWriter) -> dict[str, Any]:
    """A server as a manifest would describe it; what has its default is left out, but for address and key."""
    found: dict[str, Any] = {"url": texts.manifest(server.url), "apiKey": texts.manifest(server.api_key)}
    tls = _tls(server.tls, texts)
    if tls:
        found["tls"] = tls
    for key, seconds, usual in (
        ("connectTimeout", server.connect_timeout, _DEFAULT.connect_timeout),
        ("readTimeout", server.read_timeout, _DEFAULT.read_timeout),
        ("submitTimeout", server.submit_timeout, _DEFAULT.submit_timeout),
    ):
        if seconds != usual:
            found[key] = format_duration(seconds)
    if server.max_requests_per_second is not None:
        found["maxRequestsPerSecond"] = server.max_requests_per_second
    if server.poll != _DEFAULT.poll:
        found["poll"] = _poll(server.poll)
    paths = {
        key: texts.manifest(path)
        for key, path, usual in (
            ("submit", server.submit_path, _DEFAULT.submit_path),
            ("status", server.status_path, _DEFAULT.status_path),
        )
        if path != usual
    }
    if paths:
        found["paths"] = paths
    info = _job_info(server.job_info, texts)
    if info:
        found["jobInfo"] = info
    if server.typed_params:
        found["paramValues"] = "json"
    if server.headers:
        found["headers"] = {name: texts.manifest(value) for name, value in server.headers}
    return found


def _poll(poll: Poll) -> dict[str, Any]:
    return {"min": format_duration(poll.minimum), "max": format_duration(poll.maximum), "fraction": poll.fraction}


def _tls(tls: Tls, texts: TemplateWriter) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pins = [texts.manifest(pin) for pin in tls.fingerprints]
    if pins:
        found["fingerprint"] = pins[0] if len(pins) == 1 else pins
    if tls.insecure:
        found["insecure"] = True
    if tls.plain:
        found["plain"] = True
    for key, path in (("caFile", tls.ca_file), ("certFile", tls.cert_file), ("keyFile", tls.key_file)):
        if path is not None:
            found[key] = texts.manifest(_from_base(path, texts.base_dir))
    return found


def _from_base(path: Value, base_dir: str) -> Value:
    """A path as seen from `base_dir`. One that begins with a reference is taken as it comes."""
    if isinstance(path, str):
        return relative(path, base_dir)
    first = path.parts[0]
    if not isinstance(first, str):
        return path
    moved = relative(first, base_dir).rstrip("/") + ("/" if portable(first).endswith("/") else "")
    return replace(path, parts=(moved, *path.parts[1:]))


def _job_info(info: JobInfoMap, texts: TemplateWriter) -> dict[str, Any]:
    named = {
        "id": info.id,
        "status": info.status,
        "exitCode": info.exit_code,
        "message": info.message,
        "startedAt": info.started_at,
        "endedAt": info.ended_at,
    }
    found: dict[str, Any] = {key: texts.manifest(text) for key, text in named.items() if text is not None}
    if info.states:
        found["states"] = {state.value: [texts.manifest(word) for word in words] for state, words in info.states}
    return found


def holds_key(server: ServerSpec) -> bool:
    """Whether the API key, or a part of it, stands in the manifest itself."""
    key = server.api_key
    if not isinstance(key, Template):
        return True
    return any(bool(part.default) if isinstance(part, Outside) else isinstance(part, str) for part in key.parts)


def needs_folder(server: dict[str, Any]) -> bool:
    """Whether a description names files by relative paths."""
    tls = server.get("tls", {})
    paths = [tls[key] for key in ("caFile", "certFile", "keyFile") if key in tls]
    return any(not path.startswith(("/", "${")) for path in paths)
