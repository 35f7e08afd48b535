"""What CI servers get, read back as they read it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aftrun.domain.text import harmless
from aftrun.report import ci_azure, ci_github, ci_gitlab, ci_teamcity
from aftrun.report.ci import findings
from tests.unit.report_samples import NASTY, big, job, nasty, run, sample


def github(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command, taken apart as GitHub's runner does it."""
    match = re.fullmatch(r"::([a-z]+)(?: ([^:]*))?::(.*)", line)
    assert match is not None, line

    def plain(text: str) -> str:
        for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, char)
        return text

    properties = dict(part.split("=", 1) for part in (match[2] or "").split(",") if part)
    return match[1], {key: plain(value) for key, value in properties.items()}, plain(match[3])


def azure(line: str) -> tuple[str, dict[str, str], str]:
    """A logging command, taken apart as Azure's agent does it."""
    match = re.fullmatch(r"##vso\[([a-z.]+)(?: ([^\]]*))?\](.*)", line)
    assert match is not None, line

    def plain(text: str) -> str:
        for code, char in (("%3B", ";"), ("%5D", "]"), ("%0D", "\r"), ("%0A", "\n"), ("%AZP25", "%")):
            text = text.replace(code, char)
        return text

    properties = dict(part.split("=", 1) for part in (match[2] or "").split(";") if part)
    return match[1], {key: plain(value) for key, value in properties.items()}, plain(match[3])


def teamcity(line: str) -> tuple[str, dict[str, str]]:
    """A service message, taken apart by its documented grammar."""
    match = re.fullmatch(r"##teamcity\[(\w+)((?: \w+='(?:[^'|\[\]\r\n]|\|.)*')*)\]", line)
    assert match is not None, line
    escapes = {"n": "\n", "r": "\r"}

    def plain(text: str) -> str:
        return re.sub(
            r"\|(?:0x([0-9A-F]{4})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else escapes.get(m[2], m[2]), text
        )

    return match[1], {key: plain(value) for key, value in re.findall(r" (\w+)='((?:[^'|]|\|.)*)'", match[2])}


def test_github_points_at_the_line_of_the_manifest() -> None:
    """Errors for bad ends, a warning for a forgiven one."""
    lines = ci_github.result(sample(), lambda path: f"sub/{path}")
    assert lines[0] == (
        "::error file=sub/manifests/nightly.yaml,line=14,col=5,title=load[eu] failed::exit code 3%3A no such file"
    ).replace("%3A", ":")
    kinds = [github(line)[0] for line in lines]
    assert (kinds.count("error"), kinds.count("warning")) == (8, 1)
    assert github(lines[3])[2] == "HTTP 401\ncheck the key"


def test_github_gets_no_more_annotations_than_it_shows() -> None:
    """The tenth says how many there are besides."""
    lines = ci_github.result(big())
    assert len(lines) == 10
    assert github(lines[9])[2].startswith("191 more jobs did not succeed; 10000 jobs in ")


def test_github_outputs_are_read_back_as_github_reads_them() -> None:
    """Values of several lines stand between delimiters that they cannot hold."""
    text = ci_github.outputs(nasty()) + ci_github.outputs(sample())
    lines = iter(text.split("\n"))
    found: dict[str, str] = {}
    for line in lines:
        if "<<" in line.split("=", 1)[0]:
            name, delimiter = line.split("<<", 1)
            value = []
            while (each := next(lines)) != delimiter:
                value.append(each)
            found[name] = "\n".join(value)
        elif line:
            name, _, found[name] = line.partition("=")
    assert found == {
        "run-id": "20260102-030000-7f3a",
        "outcome": "unknown",
        "exit-code": "6",
        "failed": "load[eu]\ncheck\nstopped\nrefused\nfar\nslow\nlost\ngoing",
    }
    assert ci_github.outputs(run(job("a"))).endswith("failed=\n")


def test_githubs_summary_stays_below_the_limit() -> None:
    """GitHub drops a larger one as a whole."""
    assert len(ci_github.step_summary(nasty()).encode()) < 1_048_576
    many = run(*(job(f"{number}-{'漢' * 200}", message="x" * 300) for number in range(2_000)))
    text = ci_github.step_summary(many)
    assert 100_000 < len(text.encode()) < 1_048_576
    assert "more jobs are not shown here" in text


def test_gitlab_sections_are_as_documented() -> None:
    """With the escapes that erase the markers, and a name of allowed letters."""
    assert ci_gitlab.opening("What each job did", 1_767_322_800.9, name="a b/c") == (
        "\x1b[0Ksection_start:1767322800:a_b_c[collapsed=true]\r\x1b[0KWhat each job did"
    )
    assert ci_gitlab.opening("two\nlines\x1b[31m", 1, collapsed=False) == (
        "\x1b[0Ksection_start:1:aftrun\r\x1b[0Ktwo lines"
    )
    assert ci_gitlab.closing("", 1_767_322_801.0, name="a b/c") == "\x1b[0Ksection_end:1767322801:a_b_c\r\x1b[0K"


def test_azure_gets_issues_variables_and_the_summary() -> None:
    """Each as one command."""
    written = Path("/build/run/summary.md")
    lines = [azure(line) for line in ci_azure.result(sample(), written=(written,))]
    name, properties, text = lines[0]
    assert (name, text) == ("task.logissue", "load[eu] failed: exit code 3: no such file")
    assert properties == {
        "type": "error",
        "sourcepath": "manifests/nightly.yaml",
        "linenumber": "14",
        "columnnumber": "5",
        "code": "failed",
    }
    assert [each[1]["type"] for each in lines if each[0] == "task.logissue"] == ["error"] * 8 + ["warning"]
    variables = {each[1]["variable"]: each[2] for each in lines if each[0] == "task.setvariable"}
    assert variables["aftrunRunId"] == "20260102-030000-7f3a"
    assert variables["aftrunFailed"].startswith("load[eu], check, ")
    assert lines[-1] == ("task.uploadsummary", {}, str(written))
    assert (ci_azure.opening("a\nb"), ci_azure.closing()) == ("##[group]a b", "##[endgroup]")


def test_teamcity_gets_tests_and_a_build_problem() -> None:
    """Every test is started and finished, in its suite."""
    lines = [teamcity(line) for line in ci_teamcity.result(sample())]
    names = [name for name, _ in lines]
    assert names.count("testStarted") == names.count("testFinished") == 12
    assert (names.count("testFailed"), names.count("testIgnored")) == (8, 2)
    assert lines[0] == ("testSuiteStarted", {"name": "nightly"})
    assert lines[2] == ("testFinished", {"name": "extract", "duration": "31800"})
    failed = next(attributes for name, attributes in lines if name == "testFailed")
    assert failed["details"] == "exit code 3: no such file\nat manifests/nightly.yaml:14:5"
    assert lines[-1][0] == "buildProblem"
    assert lines[-1][1]["identity"] == "aftrun_unknown"
    assert teamcity(ci_teamcity.opening("it's [a] | b")) == ("blockOpened", {"name": "it's [a] | b"})
    assert "buildProblem" not in "".join(ci_teamcity.result(run(job("a"))))


def test_nasty_texts_are_one_command_each_and_come_back_whole() -> None:
    """No name or message begins a command of its own."""
    report = nasty()
    expected = [each.message for each in findings(report)]
    found = [github(line) for line in ci_github.result(report)]
    assert [text for _, _, text in found] == expected
    shown = [azure(line) for line in ci_azure.result(report)]
    assert [text for name, _, text in shown if name == "task.logissue"] == [each.text for each in findings(report)]
    for line in ci_teamcity.result(report):
        teamcity(line)
        assert "\n" not in line
        assert line.count("##teamcity[") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::error::x", ": :error::x"),
        ("a\n  ::set-output name=x::y", "a\n  : :set-output name=x::y"),
        ("12:00:00 a::b", "12:00:00 a::b"),
        ("x ##vso[task.setvariable variable=a]b", "x # #vso[task.setvariable variable=a]b"),
        ("##[group]x", "# #[group]x"),
        ("##TeamCity[buildStop]", "# #TeamCity[buildStop]"),
        ("## heading", "## heading"),
        ("plain", "plain"),
    ],
)
def test_log_lines_cannot_be_commands(text: str, expected: str) -> None:
    """A blank takes their power and leaves them legible."""
    assert harmless(text) == expected


def test_no_nasty_text_is_a_command() -> None:
    """After `harmless`, no server finds one."""
    for text in NASTY:
        shown = harmless(text)
        assert not re.search(r"^\s*::", shown, re.MULTILINE)
        assert not re.search(r"##(vso|teamcity)?\[", shown)
