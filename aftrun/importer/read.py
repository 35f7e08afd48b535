"""A script's text → the jobs in it: cleaned of what pasting leaves, and read in its language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum

from aftrun.domain.errors import Problem
from aftrun.domain.frozen import dataclass
from aftrun.importer.bash import CALL, Bash
from aftrun.importer.batch import Batch
from aftrun.importer.calls import Calls
from aftrun.importer.found import FoundJob, Limit, Notebook
from aftrun.importer.marks import is_clean
from aftrun.importer.powershell import PowerShell

LONGEST = 256 * 1024
"""Characters. No script is longer, and a grammar may take the square of it."""


class Language(StrEnum):
    """What a script can be written in."""

    BASH = "bash"
    POWERSHELL = "powershell"
    CMD = "cmd"
    AFT = "aft"


@dataclass(frozen=True, slots=True)
class Imported:
    """What was found. With problems there are no jobs."""

    path: str
    jobs: tuple[FoundJob, ...]
    remarks: tuple[tuple[int, str], ...]
    """Line and text, in the order of lines."""
    problems: tuple[Problem, ...]
    secrets: frozenset[str] = frozenset()
    """Literal secrets that were left out."""


def read_text(path: str, text: str, read: Callable[[str], bytes], given: str | None = None) -> Imported:
    """Find the jobs in a script. `read` gives the bytes of a file that a command names, or raises OSError.

    Raises:
        UsageError: the extra `import` is not installed.
    """
    notebook = Notebook(read)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    refused = _refused(text)
    if not refused:
        try:
            for language, part in _parts(path, text, Language(given) if given else None):
                _read(language, part, 0, notebook)
        except (Limit, RecursionError) as error:
            refused = (str(error) if isinstance(error, Limit) else "this is nested too deeply", 1, _PASTE)
    if not refused and not notebook.jobs:
        refused = _nothing(text, notebook)
    remarks = tuple(sorted(notebook.remarks))
    secrets = frozenset(each for each in notebook.secrets if each)
    if refused:
        message, line, hint = refused
        return Imported(path, (), remarks, (Problem("import", message, path, line, 1, hint=hint),), secrets)
    return Imported(path, tuple(notebook.jobs), remarks, (), secrets)


_PASTE = "paste the command that starts the job: curl, Invoke-RestMethod, aft start"
_FIELDS = (
    r"(?m)^[ \t]*(?:@(?:reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)"
    r"|(?:[*\d][\d*/,-]*[ \t]+){4}[*\da-zA-Z][\w*/,-]*)[ \t]+"
)
_CRON = re.compile(_FIELDS + r"(?:[a-z_][\w-]*[ \t]+(?=(?:/|curl|aft|cd\b)))?(?=\S)")
"""Five fields, or a word for them, and in /etc/crontab a user."""


def _refused(text: str) -> tuple[str, int, str] | None:
    """Why a text is not read at all: message, line, remedy."""
    if len(text) > LONGEST:
        return f"this is longer than {LONGEST // 1024} KiB, which no script is", 1, _PASTE
    odd = re.search("[\0-\x08\x0e-\x1a\x1c-\x1f\ufdd0\ufdd1]", text)
    if odd or not is_clean(text):
        return "this is no text", text.count("\n", 0, odd.start() if odd else 0) + 1, _PASTE
    if re.match(r"\s*(<\?xml[^>]*\?>\s*)?<Task\b", text):
        return "an exported task of the Task Scheduler is not read", 1, "paste the command of its <Exec> as one line"
    return None


def _nothing(text: str, notebook: Notebook) -> tuple[str, int, str]:
    lost = [each for each in notebook.remarks if "left out" in each[1] or " read" in each[1]]
    line, said = min(lost, default=(1, ""))
    if "schtasks" in said:
        return said.partition(";")[0], line, "paste the command that stands behind its /tr"
    return "no command here starts a job" + (f"; line {line}: {said}" if said else ""), line, _PASTE


def _read(language: Language, text: str, line: int, notebook: Notebook) -> None:
    def nested(inner: str, part: str, at: int) -> None:
        _walk(Language(inner), part, at)

    def _walk(kind: Language, part: str, at: int) -> None:
        part = _continued(kind, part, at, notebook)
        if kind is Language.POWERSHELL:
            PowerShell(notebook, calls, for_powershell(plain_quotes(part, notebook)), at).read()
        elif kind is Language.CMD:
            Batch(notebook, calls, part, at).read()
        else:
            Bash(notebook, calls, _without_schedules(plain_quotes(part, notebook), notebook), at).read()

    calls = Calls(notebook, nested)
    _walk(language, text, line)


def _without_schedules(text: str, notebook: Notebook) -> str:
    """Cron's five fields are not read: the command behind them is, and that is said."""

    def gone(match: re.Match[str]) -> str:
        line = text.count("\n", 0, match.start()) + 1
        notebook.remark(
            line, "cron's five fields are not read; paste the command alone, or keep the line with: aftrun apply FILE"
        )
        return ""

    if not _CRON.search(text):
        return text
    return re.sub(r"\\%", "%", _CRON.sub(gone, text))


# --- languages --------------------------------------------------------------------------------------------------------

_SUFFIXES = {
    **dict.fromkeys(("ps1", "psm1", "psd1"), Language.POWERSHELL),
    **dict.fromkeys(("bat", "cmd"), Language.CMD),
    **dict.fromkeys(("sh", "bash", "zsh", "ksh", "dash", "crontab", "cron"), Language.BASH),
}
_FENCE = re.compile(r"^[ \t]*(?:>[ \t]*)?(`{3,}|~{3,})[ \t]*\{?\.?([\w+-]*)")
_TAGS = {
    **dict.fromkeys(("powershell", "pwsh", "ps1", "ps", "posh"), Language.POWERSHELL),
    **dict.fromkeys(("bat", "batch", "cmd", "dos", "batchfile"), Language.CMD),
    **dict.fromkeys(("bash", "sh", "shell", "console", "zsh", "shellsession", "shell-session"), Language.BASH),
}
_SIGNS: tuple[tuple[Language, int, str], ...] = (
    (
        Language.POWERSHELL,
        6,
        r"(?i)(?<![\w./'\"-])(invoke-restmethod|invoke-webrequest|convertto-json|start-process)(?![\w-])",
    ),
    (Language.POWERSHELL, 6, r"(?i)^(?:\$\w+\s*=\s*)?(irm|iwr)\s+\S"),
    (Language.POWERSHELL, 4, r"(?i)^(\[\w+\])?\s*\$(env:|script:|global:)?[\w.]+(\[[^\]]*\])?\s*\+?=[^=]"),
    (Language.POWERSHELL, 4, r"@\{|@['\"]$|\$env:\w|(?i:^\s*(try|param|function\s+[\w-]+)\s*[({]\s*$)|^<#"),
    (
        Language.POWERSHELL,
        3,
        r"(?i)[^`]\s`$|\s-(eq|ne|like|match|join|replace)\s|^\s*&\s+['\"$]|\|\s*(out-null|select-object)",
    ),
    (Language.POWERSHELL, 3, r"(?i)^\$\w+\.\w+\(|^\s*(write-(host|output|error)|exit \$lastexitcode|foreach \(\$)"),
    (
        Language.CMD,
        6,
        r"(?i)^@?(echo off|setlocal|endlocal|rem\b|set \"?\w+=|exit /b|goto\b|call\s)|^::|if (not )?errorlevel",
    ),
    (Language.CMD, 6, r"(?i)%(errorlevel|~dp0|date:|time:|userprofile|computername|~?[1-9]\b)|^schtasks\b"),
    (Language.CMD, 5, r"(^|[^^])\^$|\^\"|\^\{"),
    (Language.CMD, 3, r"^[^'$`]*%(?![0-9A-Fa-f]{2})[A-Za-z_]\w{2,}%[^'$`]*$|%[A-Z]+(_[A-Z]+)+%"),
    (
        Language.BASH,
        6,
        r"(^|[^`])\\$|<<-?\s*['\"]?\w+|^\s*(fi|done|esac|then)\b|\$\(\(|^(export\s+)?[A-Za-z_]\w*=[^=]?",
    ),
    (Language.BASH, 4, r"\$\([a-z]+ |;\s*(then|do)$|\[\[? |\|\s*(jq|grep|awk)\b|2>&1|/dev/null|^set -[a-z]"),
)
_COMPILED = tuple((language, weight, re.compile(pattern)) for language, weight, pattern in _SIGNS)


def language_of(path: str, text: str) -> Language:
    """The language of a script, by its file's name, its first line, and what only one of them writes."""
    suffix = _SUFFIXES.get(path.lower().rpartition(".")[2])
    if suffix is not None:
        return suffix
    first = text.lstrip().split("\n", 1)[0]
    if first.startswith("#!"):
        return Language.POWERSHELL if re.search(r"pwsh|powershell", first) else Language.BASH
    points = dict.fromkeys((Language.BASH, Language.POWERSHELL, Language.CMD), 0)
    for each in text.split("\n"):
        code = each.strip()
        if code.startswith("#"):
            continue
        wrapped = re.search(r"(?i)\b(powershell|pwsh)(\.exe)?[\"']?\s+(-|/)", code)
        code = code[: wrapped.start()] if wrapped else code
        code = re.sub(r"\s+#\s.*$", "", code)[:4000]
        for language, weight, pattern in _COMPILED:
            if pattern.search(code):
                points[language] += weight
    return max(points, key=lambda language: points[language])


def _parts(path: str, text: str, given: Language | None) -> Iterator[tuple[Language, str]]:
    """The text in its language; of Markdown, each fenced block in its own. Lines keep their numbers."""
    lines = text.split("\n")
    blocks: list[tuple[str, int, int]] = []
    opened: tuple[str, str, int] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence and opened is None:
            opened = (fence.group(1), fence.group(2).lower(), number + 1)
        elif fence and opened and fence.group(1).startswith(opened[0]) and not fence.group(2):
            blocks.append((opened[1], opened[2], number))
            opened = None
    if opened:
        blocks.append((opened[1], opened[2], len(lines)))
    calls = [block for block in blocks if any(CALL.search(line) for line in lines[block[1] : block[2]])]
    if not calls or path.lower().rpartition(".")[2] in _SUFFIXES:
        clean = _without_prompts(text)
        yield given or language_of(path, clean), clean
        return
    for tag, start, end in blocks:
        inner = _without_prompts("\n".join(re.sub(r"^[ \t]*> ?", "", line) for line in lines[start:end]))
        if tag and tag not in _TAGS and tag not in ("", "text", "txt", "plain", "plaintext"):
            continue
        language = given or _TAGS.get(tag) or language_of("", inner)
        if (
            _TAGS.get(tag) is Language.BASH
            and language_of("", inner) is not Language.BASH
            and tag in ("console", "shell")
        ):
            language = given or language_of("", inner)
        yield language, "\n" * start + inner


# --- what pasting leaves ----------------------------------------------------------------------------------------------

_PROMPT = re.compile(
    r"^(?:[\w.-]+@[\w.-]+:\S*[$#]|\[[\w.-]+@[\w.-]+ [^\]]*\][$#]"
    r"|PS(?: [A-Za-z]:\\[^>\n]*| /[^>\n]*)?>|[A-Za-z]:\\[^>\n]*>|[$%]) ?(?=\S)"
)


def _without_prompts(text: str) -> str:
    """The text without the prompts of a terminal, where lines begin with one; `> ` goes on with the line before."""
    lines = text.split("\n")
    if not any(_PROMPT.match(line.lstrip()) for line in lines):
        return text
    continues = False
    for number, line in enumerate(lines):
        stripped = line.lstrip()
        prompt = _PROMPT.match(stripped)
        if prompt and not re.match(r"\$\w", stripped):
            lines[number] = stripped[prompt.end() :]
        elif continues and re.match(r">>? ", stripped):
            lines[number] = re.sub(r"^>>? ", "", stripped)
        continues = lines[number].rstrip().endswith(("\\", "`", "^", "{", "|")) or (continues and line != lines[number])
    return "\n".join(lines)


_GOES_ON = {
    kind: re.compile(rf"(?m)(?<=[ \t]){sign}[ \t]+$(?=\n[ \t]*(?:--?[A-Za-z]|['\"]|https?://))")
    for kind, sign in ((Language.BASH, r"\\"), (Language.POWERSHELL, "`"), (Language.CMD, r"\^"))
}
"""Blanks behind the sign that a command goes on in the next line, which then goes on with it all the same."""


def _continued(kind: Language, text: str, line: int, notebook: Notebook) -> str:
    """The text without them: a shell would end the command there, which nobody means."""

    def mended(match: re.Match[str]) -> str:
        sign = match.group().rstrip()
        said = f"a blank behind the {sign} at the end of the line was left out: with it, the command ends there"
        notebook.remark(line + text.count("\n", 0, match.start()) + 1, said)
        return sign

    pattern = _GOES_ON.get(kind)
    return text if pattern is None else pattern.sub(mended, text)


_ROUND = {**dict.fromkeys("\u201c\u201d\u201e\u201f", '"'), **dict.fromkeys("\u2018\u2019\u201a\u201b", "'")}
"""Typographic quotes, and the plain ones that they stand for."""


def _is_apostrophe(text: str, at: int) -> bool:
    return text[at] == "\u2019" and text[at - 1].isalpha() and text[at + 1 : at + 2].isalpha()


def plain_quotes(text: str, notebook: Notebook) -> str:
    """Typographic quotes and blanks that stand where plain ones must; those inside plain quotes are text and stay."""
    if not any(char in text for char in (*_ROUND, "\u00a0")):
        return text
    parts: list[str] = []
    quote, round_quote = "", False
    line = 1
    at = 0
    while at < len(text):
        char = text[at]
        line += char == "\n"
        plain = _ROUND.get(char, "")
        if char in "\\`" and at + 1 < len(text) and quote != "'":
            following = text[at + 1]
            inside = round_quote and _ROUND.get(following) == quote
            parts.append(char + (quote if inside else following))
            line += following == "\n"
            at += 2
            continue
        if not quote and (plain or char in "\"'"):
            quote, round_quote = plain or char, bool(plain)
            char = quote
        elif quote and char == quote and not round_quote:
            quote = ""
        elif quote and round_quote and plain == quote and not _is_apostrophe(text, at):
            char, quote, round_quote = quote, "", False
        elif not quote and char == "\u00a0":
            char = " "
        elif not quote and char == "#" and (at == 0 or text[at - 1].isspace()):
            end = text.find("\n", at)
            char = text[at : len(text) if end < 0 else end]
        if plain and char != text[at]:
            notebook.remark(line, "typographic quotes were read as plain ones")
        parts.append(char)
        at += len(char)
    return "".join(parts)


_SEGMENT = re.compile(
    r"""(@"[ \t]*\n.*?(?:\n"@|\Z)|@'[ \t]*\n.*?(?:\n'@|\Z)|<\#.*?(?:\#>|\Z)|(?<![^\s;{}()])\#[^\n]*"""
    r"""|"(?:`.|""|[^"`])*(?:"|\Z)|'(?:''|[^'])*(?:'|\Z))|`.""",
    re.DOTALL,
)
"""Where text or a comment stands in PowerShell; what is never closed goes to the end."""
_NAMED = r"\$(?:\{[^}\n]+\}|(?:(?i:env|script|global|local|private|using):)?\w+)"
_BARE = re.compile(
    rf"(?<=[\s:])((?![-\[])[^\s'\"(){{}}|;,&@`<>$=+*!#%?][^\s'\"(){{}}|;,&@`<>$=]*{_NAMED}[^\s'\"(){{}}|;,&`<>=]*)"
)
_LED = re.compile(rf"(?<=\s)({_NAMED}(?:[/:]|-(?!-))[^\s'\"(){{}}|;,&`<>=]*)(?=[\s)}}|;]|$)")
_EQUALS = re.compile(r"(?<=\s)(--?[A-Za-z][\w-]*)=(?=\S|$)")
_BEHIND_EQUALS = re.compile(r"(?<=\x02)([^\s'\"(){}|;,&`<>$@][^\s'\"(){}|;,&`<>]*)")


def for_powershell(text: str) -> str:
    """The text with quotes around bare words that the grammar cannot read, such as `$base/v1/jobs`. Lines stay."""

    def code(part: str) -> str:
        part = _EQUALS.sub("\\1 \x02", part)
        part = _BEHIND_EQUALS.sub(r'"\1"', part).replace("\x02", "")
        return _BARE.sub(r'"\1"', _LED.sub(r'"\1"', part))

    parts: list[str] = []
    done = 0
    for match in _SEGMENT.finditer(text):
        if match.group(1) is None:
            continue
        parts += [code(text[done : match.start()]), match.group()]
        done = match.end()
    return re.sub(
        r"(?i)(\bparam\s*\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\))[ \t]+(?=[\w$&])",
        r"\1; ",
        "".join([*parts, code(text[done:])]),
    )
