"""Plain data that fits schemas/scenario.schema.json → `Scenario`. A file is checked before, at its places."""

from __future__ import annotations

from typing import Any

from aftrun.domain.durations import parse_duration
from aftrun.domain.errors import UsageError
from aftrun.domain.frozen import replace
from aftrun.domain.model import Json
from aftrun.sandbox.shapes import (
    Behaviour,
    Dialect,
    Ending,
    Fault,
    Fixed,
    Kind,
    LogNormal,
    Match,
    On,
    Outage,
    Per,
    RetryAfter,
    Scenario,
    Span,
    Strikes,
    Uniform,
    as_text,
)
from aftrun.system.schemas import first_error

__all__ = [
    "Behaviour",
    "Dialect",
    "Ending",
    "Fault",
    "Fixed",
    "Kind",
    "LogNormal",
    "Match",
    "On",
    "Outage",
    "Per",
    "RetryAfter",
    "Scenario",
    "Span",
    "Strikes",
    "Uniform",
    "parse",
]

_DELAY = {Kind.SLOW: 1.0, Kind.TRICKLE: 0.1}
_SIZE = {Kind.HUGE: 16, Kind.GZIP_BOMB: 256}

_Keys = dict[str, Any]
"""A mapping of a scenario; what its values are, the schema has said."""


def parse(data: Json) -> Scenario:
    """The scenario that `data`, the content of a scenario file, describes. `None` (an empty file) is the default one.

    Behaviours take from `defaults` every key they do not set themselves.

    Raises:
        UsageError: `data` does not fit schemas/scenario.schema.json, or the max of a range is less than its min, which
            no schema can say. The message names the path and the cause.
    """
    data = _named(data)
    error = first_error("scenario", data)
    if error is not None:
        path, message = error
        raise UsageError(f"{path or 'scenario'}: {message}", hint="docs/sandbox.md shows every key with an example")
    top: _Keys = data if isinstance(data, dict) else {}
    defaults = _behaviour(top.get("defaults", {}), Behaviour(), "defaults")
    inherited = replace(defaults, faults=tuple(each for each in defaults.faults if each.on is not On.CONNECT))
    return Scenario(
        defaults=defaults,
        # Faults of connections stay with `defaults`: no request, nothing to match.
        behaviours=tuple(
            _behaviour(item, inherited, f"behaviours[{index}]") for index, item in enumerate(top.get("behaviours", ()))
        ),
        outages=tuple(
            Outage(after=_seconds(item.get("after", 0)), lasts=_seconds(item["for"])) for item in top.get("outages", ())
        ),
        latency=_span(top["latency"], "latency") if "latency" in top else Fixed(0.0),
        seed=int(top.get("seed", 0)),
        scripts=tuple(top["scripts"]) if "scripts" in top else None,
        workers=int(top["workers"]) if "workers" in top else None,
        rate_limit=float(top["rateLimit"]) if "rateLimit" in top else None,
        keep_alive=_seconds(top.get("keepAlive", "75s")),
    )


def _named(data: Any) -> Any:
    """The same with texts as keys. The key `on` is true to those who read YAML 1.1, and must mean the same to them."""
    if isinstance(data, dict):
        return {"on" if key is True else str(key): _named(value) for key, value in data.items()}
    return [_named(each) for each in data] if isinstance(data, list) else data


def _behaviour(node: _Keys, base: Behaviour, path: str) -> Behaviour:
    return Behaviour(
        match=_match(node.get("match", {})),
        queue=_span(node["queue"], f"{path}.queue") if "queue" in node else base.queue,
        duration=_span(node["duration"], f"{path}.duration") if "duration" in node else base.duration,
        outcome=Ending(node.get("outcome", base.outcome)),
        exit_code=int(node["exitCode"]) if "exitCode" in node else base.exit_code,
        message=node.get("message", base.message),
        outputs=node.get("outputs", base.outputs),
        dialect=Dialect(node.get("dialect", base.dialect)),
        fail_first=int(node["flaky"].get("failFirst", 1)) if "flaky" in node else base.fail_first,
        keep=_seconds(node["keep"]) if "keep" in node else base.keep,
        faults=tuple(map(_fault, node["faults"])) if "faults" in node else base.faults,
    )


def _match(node: _Keys) -> Match:
    return Match(
        script_name=node.get("scriptName"),
        script_id=node.get("scriptId"),
        file_path=node.get("filePath"),
        params=tuple((name, as_text(glob)) for name, glob in node.get("params", {}).items()),
    )


def _fault(node: _Keys) -> Fault:
    kind = Kind(node["kind"])
    usual = On.CONNECT if kind is Kind.CUT else On.STATUS
    times = node.get("times", 1)
    return Fault(
        kind=kind,
        on=On(node.get("on", usual)),
        times=None if times == "always" else int(times),
        after=int(node.get("after", 0)),
        strikes=Strikes(node["strikes"]) if "strikes" in node else None,
        per=Per(node["per"]) if "per" in node else None,
        chance=float(node.get("chance", 1)),
        code=int(node["code"]) if "code" in node else None,
        body=node.get("body"),
        retry_after=_retry_after(node["retryAfter"]) if "retryAfter" in node else None,
        delay=_seconds(node["delay"]) if "delay" in node else _DELAY.get(kind, 1.0),
        size=int(node.get("size", _SIZE.get(kind, 16))),
        to=node.get("to", ""),
    )


def _retry_after(value: Any) -> RetryAfter:
    if not isinstance(value, dict):
        return RetryAfter(seconds=int(value))
    return RetryAfter(text=value["text"]) if "text" in value else RetryAfter(date_in=_seconds(value["date"]))


def _span(value: Any, path: str) -> Span:
    if not isinstance(value, dict):
        return Fixed(_seconds(value))
    if "median" in value:
        return LogNormal(_seconds(value["median"]), float(value.get("sigma", 0.5)))
    low, high = _seconds(value["min"]), _seconds(value["max"])
    if high < low:
        raise UsageError(f"{path}: its max is less than its min", hint="swap them")
    return Uniform(low, high)


def _seconds(value: Any) -> float:
    """A length of time such as `500ms`, in seconds. A plain 0 needs no unit."""
    return 0.0 if value == 0 else parse_duration(value)
