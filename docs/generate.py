"""Write the pages that follow from the schemas, the command line and the pages of the codes.

`python -m docs.generate` writes them; a test fails when they are not what it would write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import tools.commands as tools
from aftrun.manifest.check import pages
from aftrun.manifest.check.diagnostics import CODES
from aftrun.system.resources import schema_text
from docs import schema as schemas
from docs.tables import Reader, cell, code, page, prose, slug, table

DOCS = Path(__file__).parent

MANIFEST = (
    ("manifest", "Top level"),
    ("single", "One job as a manifest"),
    ("job", "jobs[]"),
    ("retry", "jobs[].retry"),
    ("backoff", "jobs[].retry.backoff"),
    ("defaults", "defaults"),
    ("strategy", "strategy"),
    ("server", "server, servers.NAME"),
    ("tls", "server.tls"),
    ("poll", "server.poll"),
    ("paths", "server.paths"),
    ("jobInfo", "server.jobInfo"),
    ("states", "server.jobInfo.states"),
    ("notify", "notify"),
)
"""The mappings of a manifest, in the order in which they are explained, and where each stands."""

FORMS = ("duration", "flag", "scalar", "text", "words", "params", "reference")
"""The forms of values, explained once."""


def manifest() -> str:
    """Every key of a manifest."""
    schema = json.loads(schema_text("manifest"))
    links = {name: slug(title) for name, title in MANIFEST} | {name: slug(name) for name in FORMS}
    reader = Reader(schema, links)

    def lines() -> Iterator[str]:
        yield "Every key, from the JSON Schema that editors use and `aftrun schema` prints. What the keys are for"
        yield "is in [Manifests](../manifest.md). Unknown keys are errors, except those that begin with `x-`. Where a"
        yield "value is no text, a [reference](#reference) may stand in its place."
        yield ""
        for name, title in MANIFEST:
            definition = schema["$defs"][name]
            yield f"## {title}"
            yield ""
            yield cell(definition["description"])
            yield ""
            if name in ("defaults", "single"):
                own = ("version", "server") if name == "single" else ()
                keys = ", ".join(f"`{key}`" for key in definition["properties"] if key not in own)
                also = "`version` and a [server](#server-serversname) of its own, and " if own else ""
                yield f"Takes {also}these keys, with the meaning that they have in [jobs[]](#jobs): {keys}."
                yield ""
                continue
            yield from table(("key", "type", "default", "meaning"), reader.rows(definition, defaults=True))
        yield "## Forms of values"
        yield ""
        for name in FORMS:
            definition = schema["$defs"][name]
            yield f"### {name}"
            yield ""
            yield cell(definition["description"])
            if examples := definition.get("examples"):
                yield ""
                yield "Examples: " + ", ".join(code(each) for each in examples) + "."
            yield ""

    return page("Manifest keys", "schema", lines())


def report() -> str:
    """Every property of `report.json`."""
    schema = json.loads(schema_text("report"))
    reader = Reader(schema, {"job": "jobs", "attempt": "jobsattempts", "outcome": "outcomes", "reason": "reasons"})

    def lines() -> Iterator[str]:
        yield cell(schema["description"])
        yield ""
        yield "`aftrun schema report` prints the JSON Schema of `report.json`. Properties that are marked optional"
        yield "may be absent. What is promised about changes is in [Versions and promises](../versioning.md)."
        yield ""
        parts = (
            ("Top level", schema),
            ("run", schema["properties"]["run"]),
            ("run.manifests[]", schema["properties"]["run"]["properties"]["manifests"]["items"]),
            ("summary", schema["properties"]["summary"]),
            ("jobs[]", schema["$defs"]["job"]),
            ("jobs[].attempts[]", schema["$defs"]["attempt"]),
        )
        for title, part in parts:
            yield f"## {title}"
            yield ""
            yield from table(("property", "type", "meaning"), reader.rows(part, defaults=False))
        for title, name in (("Outcomes", "outcome"), ("Reasons", "reason")):
            yield f"## {title}"
            yield ""
            yield ", ".join(code(each) for each in schema["$defs"][name]["enum"] if each) + "; null while it has none."
            yield ""

    return page("report.json", "schema", lines())


def events() -> str:
    """Every type of event."""
    schema = json.loads(schema_text("event"))
    links = {"header": "job-header", "source": "source", "outcome": "outcomes", "reason": "reasons"}
    reader = Reader(schema, links)

    def lines() -> Iterator[str]:
        yield cell(schema["description"])
        yield ""
        yield "`aftrun schema event` prints the JSON Schema. How to use the stream is in"
        yield "[Reports](../reports.md#events)."
        yield ""
        names = [each["$ref"].rpartition("/")[2] for each in schema["oneOf"]]
        for name, title in [*((name, name) for name in names), ("header", "Job header"), ("source", "Source")]:
            definition = schema["$defs"][name]
            yield f"## {title}"
            yield ""
            yield cell(definition["description"])
            yield ""
            yield from table(("property", "type", "meaning"), reader.rows(definition, defaults=False))
        for title, name in (("Outcomes", "outcome"), ("Reasons", "reason")):
            definition = schema["$defs"][name]
            yield f"## {title}"
            yield ""
            yield f"{cell(definition['description'])} " + ", ".join(code(each) for each in definition["enum"]) + "."
            yield ""

    return page("Events", "schema", lines())


def scenario() -> str:
    """Every key of a sandbox scenario."""
    schema = json.loads(schema_text("scenario"))
    parts = (
        ("behaviour", "defaults, behaviours[]"),
        ("match", "match"),
        ("fault", "faults[]"),
        ("outage", "outages[]"),
    )
    links = {name: slug(title) for name, title in parts} | {"span": "span", "duration": "duration"}
    reader = Reader(schema, links)

    def lines() -> Iterator[str]:
        yield "Every key of a scenario file, from its JSON Schema (`aftrun schema scenario`). What they do, with"
        yield "examples, is in [The sandbox](../sandbox.md). It is our assumption of AFT!, not AFT!'s contract."
        yield ""
        for title, part in (("Top level", schema), *((title, schema["$defs"][name]) for name, title in parts)):
            yield f"## {title}"
            yield ""
            rows = [(row[0].removesuffix(" (optional)"), *row[1:]) for row in reader.rows(part, defaults=False)]
            yield from table(("key", "type", "meaning"), rows)
        yield "## Forms of values"
        yield ""
        for name in ("duration", "span"):
            yield f"### {name}"
            yield ""
            yield cell(schema["$defs"][name]["description"])
            yield ""

    return page("Scenario keys", "schema", lines())


def commands() -> str:
    """Every command with its arguments and flags."""

    def lines() -> Iterator[str]:
        yield "Every flag can be given as a variable of the environment; the flag wins. For a flag that may be"
        yield "repeated, the variable holds one value a line. Data goes to standard output, progress and messages to"
        yield "standard error. [Exit codes](exit-codes.md) are the same for all commands. `aftrun COMMAND --help`"
        yield "says the same as this page."
        yield ""
        for command in tools.commands():
            yield f"## aftrun {command.name}"
            yield ""
            for paragraph in command.help.split("\n\n"):
                yield prose(paragraph)
                yield ""
            yield "```text"
            yield usage(command)
            yield "```"
            yield ""
            arguments = [
                (
                    code(each.name.upper() if each.choices else each.metavar),
                    "needed" if each.required else default(each),
                    meaning(each),
                )
                for each in command.arguments
            ]
            if arguments:
                yield from table(("argument", "default", "meaning"), arguments)
            flags = [(code(names(each)), meaning(each, default(each), each.variable)) for each in command.options]
            if flags:
                yield from table(("flag", "meaning"), flags)

    return page("Commands", "program", lines())


def default(parameter: tools.Parameter) -> str:
    """A default that is worth telling."""
    return code(parameter.default) if parameter.default else ""


def meaning(parameter: tools.Parameter, default: str = "", variable: str = "") -> str:
    """What it does, the words that it takes, its default, and the variable that stands for it."""
    parts = [cell(parameter.help)]
    if parameter.choices:
        parts.append(f"One of {', '.join(map(code, parameter.choices))}.")
    if default:
        parts.append(f"Default: {default}.")
    if variable:
        parts.append(f"Variable: {code(variable)}.")
    return " ".join(parts)


def names(parameter: tools.Parameter) -> str:
    """How a flag is written: its names, what says no to it, and its value."""
    short_first = sorted(parameter.flags, key=lambda name: name.startswith("--"))
    text = ", ".join(short_first)
    if parameter.opposites:
        text += f" / {', '.join(parameter.opposites)}"
    value = "WORD" if parameter.choices else parameter.metavar
    return f"{text} {value}" if parameter.takes_value else text


def usage(command: tools.Command) -> str:
    """How a command is called."""
    parts = ["aftrun", command.name, *(["[FLAGS]"] if command.options else [])]
    for each in command.arguments:
        name = each.name.upper() if each.choices else each.metavar.rstrip("…")
        more = "..." if each.many else ""
        parts.append(f"{name}{more}" if each.required else f"[{name}{more}]")
    return " ".join(parts)


def diagnostics() -> str:
    """Every code of `aftrun validate`, with its page."""

    def lines() -> Iterator[str]:
        yield "What `aftrun validate` says, code by code. `aftrun explain CODE` prints the same page. Codes are stable:"
        yield "they keep their meaning, and one that is no longer used is not given to anything else. From AFT100 on"
        yield "they are warnings, which `--strict` takes for errors."
        yield ""
        yield from table(("code", "what it is"), [(f"[{name}](#{slug(name)})", title) for name, title in CODES.items()])
        for name, title in CODES.items():
            yield f"## {name}"
            yield ""
            yield f"**{title}** ({pages.severity(name)})"
            yield ""
            yield pages.markdown(name)

    return page("Diagnostics", "pages in aftrun/manifest/check/pages", lines())


def policy() -> str:
    """Every key of a policy."""
    schema = json.loads(schema_text("policy"))

    def lines() -> Iterator[str]:
        yield "Every key of a policy, from the JSON Schema that `aftrun schema policy` prints. What it is for is in"
        yield "[Security model](../security.md#a-policy-for-manifests-of-others). Unknown keys are errors, except those"
        yield "that begin with `x-`."
        yield ""
        definition = schema["$defs"]["policy"]
        yield "## Top level"
        yield ""
        yield cell(definition["description"])
        yield ""
        rows = [(code(key), cell(each["description"])) for key, each in definition["properties"].items()]
        yield from table(("key", "meaning"), rows)
        yield "## patterns"
        yield ""
        yield cell(schema["$defs"]["patterns"]["description"])

    return page("Policy keys", "schema", lines())


PAGES = {
    "../schemas/manifest.schema.json": schemas.manifest,
    "reference/commands.md": commands,
    "reference/manifest.md": manifest,
    "reference/report.md": report,
    "reference/events.md": events,
    "reference/scenario.md": scenario,
    "reference/policy.md": policy,
    "diagnostics.md": diagnostics,
}
"""All that is written here, by its path from docs/. The schema is first: pages are made of it."""


def main() -> None:
    """Write every page, and say which ones changed."""
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.resolve().relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
