"""A scenario file's plain data to `Scenario`, checked by hand so that each message can say what would be right."""

from __future__ import annotations

from dataclasses import replace

from aftrun.domain.model import Json
from aftrun.sandbox.reading import Mapping, article, name_of, seconds, wrong
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

_SCENARIO = ("defaults", "behaviours", "outages", "latency", "seed", "scripts", "workers", "rateLimit", "keepAlive")
_BEHAVIOUR = ("match", "queue", "duration", "outcome", "exitCode", "message", "outputs", "dialect", "flaky", "keep")
_COMMON = ("on", "kind", "times", "after", "strikes", "per", "chance")
_OPTIONS: dict[Kind, tuple[str, ...]] = {
    Kind.STATUS: ("code", "body", "retryAfter"),
    Kind.SLOW: ("delay",),
    Kind.TRICKLE: ("delay",),
    Kind.HTML: ("code",),
    Kind.HUGE: ("size",),
    Kind.GZIP_BOMB: ("size",),
    Kind.REDIRECT: ("to", "code"),
    Kind.ECHO_KEY: ("code",),
}
_REQUIRED = {Kind.STATUS: "code", Kind.REDIRECT: "to"}
_DELAY = {Kind.SLOW: 1.0, Kind.TRICKLE: 0.1}
_SIZE = {Kind.HUGE: 16, Kind.GZIP_BOMB: 256}


def parse(data: Json) -> Scenario:
    """The scenario that `data`, the content of a scenario file, describes. `None` (an empty file) is the default one.

    Behaviours take from `defaults` every key they do not set themselves.

    Raises:
        UsageError: something is wrong; the message names the key's path, the cause and what would be right.
    """
    if data is None:
        return Scenario()
    top = Mapping(data, "", _SCENARIO)
    defaults = Behaviour()
    if "defaults" in top:
        defaults = _behaviour(top.data["defaults"], "defaults", defaults)
    behaviours = tuple(_behaviour(item, path, _inherited(defaults)) for path, item in top.items("behaviours"))
    return Scenario(
        defaults=defaults,
        behaviours=behaviours,
        outages=tuple(_outage(item, path) for path, item in top.items("outages")),
        latency=_span(top, "latency", Fixed(0.0)),
        seed=top.integer("seed", 0, -(2**53), 2**53),
        scripts=tuple(_script(item, path) for path, item in top.items("scripts")) if "scripts" in top else None,
        workers=top.integer("workers", 1, 1, 1_000_000) if "workers" in top else None,
        rate_limit=top.number("rateLimit", 1, 0.001, 1_000_000) if "rateLimit" in top else None,
        keep_alive=top.duration("keepAlive", 75.0),
    )


def _inherited(defaults: Behaviour) -> Behaviour:
    """What a behaviour starts from. Faults of connections stay with `defaults`: no request, nothing to match."""
    return replace(defaults, faults=tuple(fault for fault in defaults.faults if fault.on is not On.CONNECT))


def _script(item: Json, path: str) -> str:
    if not isinstance(item, str) or not item:
        raise wrong(path, f"should be the name, id or path of a script, but is {article(item)}")
    return item


def _outage(item: Json, path: str) -> Outage:
    node = Mapping(item, path, ("after", "for"))
    if "for" not in node:
        raise wrong(path, "has no `for`, so it would never end", "write how long it lasts, for example for: 2s")
    return Outage(after=node.duration("after", 0.0), lasts=node.duration("for", 0.0))


def _behaviour(item: Json, path: str, base: Behaviour) -> Behaviour:
    node = Mapping(item, path, (*_BEHAVIOUR, "faults"))
    is_defaults = path == "defaults"
    if is_defaults and "match" in node:
        raise wrong(node.at("match"), "the defaults are for everything", "move it to an item of `behaviours`")
    outputs = node.data.get("outputs", base.outputs)
    if not isinstance(outputs, dict):
        raise node.wrong("outputs", "a mapping of fields to add to the job info")
    fail_first = base.fail_first
    if "flaky" in node:
        fail_first = Mapping(node.data["flaky"], node.at("flaky"), ("failFirst",)).integer("failFirst", 1, 0, 1_000_000)
    return Behaviour(
        match=_match(node.data["match"], node.at("match")) if "match" in node else Match(),
        queue=_span(node, "queue", base.queue),
        duration=_span(node, "duration", base.duration),
        outcome=node.word("outcome", Ending, base.outcome),
        exit_code=node.integer("exitCode", 0, -(2**31), 2**32) if "exitCode" in node else base.exit_code,
        message=node.text("message", "") if "message" in node else base.message,
        outputs=outputs,
        dialect=node.word("dialect", Dialect, base.dialect),
        fail_first=fail_first,
        keep=node.duration("keep", 0.0) if "keep" in node else base.keep,
        faults=tuple(_fault(fault, where, is_defaults) for where, fault in node.items("faults"))
        if "faults" in node
        else base.faults,
    )


def _match(item: Json, path: str) -> Match:
    node = Mapping(item, path, ("scriptName", "scriptId", "filePath", "params"))
    params: list[tuple[str, str]] = []
    if "params" in node:
        given = node.data["params"]
        if not isinstance(given, dict):
            raise node.wrong("params", "a mapping of param names to globs")
        for name, glob in given.items():
            if glob is None or isinstance(glob, dict | list):
                raise wrong(f"{node.at('params')}.{name}", f"should be a glob such as eu-*, but is {article(glob)}")
            params.append((name_of(name), as_text(glob)))
    return Match(
        script_name=node.text("scriptName", "") if "scriptName" in node else None,
        script_id=node.text("scriptId", "") if "scriptId" in node else None,
        file_path=node.text("filePath", "") if "filePath" in node else None,
        params=tuple(params),
    )


def _span(node: Mapping, key: str, default: Span) -> Span:
    if key not in node:
        return default
    value = node.data[key]
    path = node.at(key)
    if not isinstance(value, dict):
        return Fixed(seconds(value, path))
    if "median" in value:
        shape = Mapping(value, path, ("median", "sigma"))
        return LogNormal(shape.duration("median", 0.0), shape.number("sigma", 0.5, 0, 5))
    shape = Mapping(value, path, ("min", "max", "median", "sigma"))
    if "min" not in shape or "max" not in shape or "sigma" in shape:
        raise wrong(path, "needs either min and max, or median and sigma", "for example {min: 1s, max: 3s}")
    low, high = shape.duration("min", 0.0), shape.duration("max", 0.0)
    if high < low:
        raise wrong(path, "its max is less than its min", "swap them")
    return Uniform(low, high)


def _fault(item: Json, path: str, in_defaults: bool) -> Fault:
    every_option = sorted({option for options in _OPTIONS.values() for option in options})
    node = Mapping(item, path, (*_COMMON, *every_option))
    if "kind" not in node:
        raise wrong(path, "has no `kind`", f"write one of: {', '.join(kind.value for kind in Kind)}")
    kind = node.word("kind", Kind, Kind.RESET)
    for option in every_option:
        if option in node and option not in _OPTIONS.get(kind, ()):
            kinds = ", ".join(each.value for each, options in _OPTIONS.items() if option in options)
            raise wrong(node.at(option), f"the kind {kind.value} has no such option", f"it is for: {kinds}")
    if (needed := _REQUIRED.get(kind)) and needed not in node:
        raise wrong(path, f"the kind {kind.value} needs `{needed}`")
    on = _place(node, kind, in_defaults)
    if "strikes" in node and on is On.STATUS:
        raise wrong(node.at("strikes"), "reading a status has no effect to be before or after", "leave it out")
    return Fault(
        kind=kind,
        on=on,
        times=None if node.data.get("times") == "always" else node.integer("times", 1, 1, 1_000_000_000),
        after=node.integer("after", 0, 0, 1_000_000_000),
        strikes=node.word("strikes", Strikes, Strikes.BEFORE) if "strikes" in node else None,
        per=node.word("per", Per, Per.RULE) if "per" in node else None,
        chance=node.number("chance", 1.0, 0, 1),
        code=node.integer("code", 0, 200, 599) if "code" in node else None,
        body=node.data.get("body"),
        retry_after=_retry_after(node.data["retryAfter"], node.at("retryAfter")) if "retryAfter" in node else None,
        delay=node.duration("delay", _DELAY.get(kind, 1.0)),
        size=node.integer("size", _SIZE.get(kind, 16), 1, 4096),
        to=node.text("to", ""),
    )


def _place(node: Mapping, kind: Kind, in_defaults: bool) -> On:
    """Where a fault strikes. `cut` and `notFound` can only strike in one place, the others need to be told."""
    if kind is Kind.CUT:
        on = node.word("on", On, On.CONNECT)
        if on is not On.CONNECT:
            raise wrong(node.at("on"), "a cut comes before there is any request", "write on: connect, or leave it out")
        if not in_defaults:
            raise wrong(node.path, "a cut comes before there is a request to match", "move it to defaults.faults")
        return on
    on = node.word("on", On, On.STATUS if kind is Kind.NOT_FOUND else On.SUBMIT)
    if on is On.CONNECT:
        raise wrong(node.at("on"), f"only the kind cut strikes connections, not {kind.value}", "write submit or status")
    if "on" not in node and kind is not Kind.NOT_FOUND:
        raise wrong(node.path, "has no `on`", "write on: submit or on: status")
    return on


def _retry_after(value: Json, path: str) -> RetryAfter:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return RetryAfter(seconds=value)
    if isinstance(value, dict) and "text" in value:
        return RetryAfter(text=Mapping(value, path, ("text",)).text("text", ""))
    if isinstance(value, dict) and "date" in value:
        return RetryAfter(date_in=Mapping(value, path, ("date",)).duration("date", 0.0))
    raise wrong(
        path,
        f"should be a whole number of seconds, {{date: 2s}} or {{text: …}}, but is {article(value)}",
        "for example retryAfter: 2",
    )
