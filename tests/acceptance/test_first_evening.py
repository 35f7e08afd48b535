"""The first evening with a server whose words for a job's state nobody knows: from nothing to a first true report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aftrun.domain.model import Json
from aftrun.sandbox.server import Sandbox
from tests.conftest import Done, Run

Start = Callable[..., Sandbox]

POLL = "  poll: {min: 50ms, max: 50ms}\n"
JOBS = "jobs:\n  - {name: good, scriptName: good}\n  - {name: bad, scriptName: bad}\n"
MANIFEST = (
    f"# the first evening\nserver:\n{POLL}  url: URL # ours\nstrategy: {{order: parallel, failFast: false}}\n{JOBS}"
)
TRUTH = {"good": "succeeded", "bad": "failed"}
MEANINGS = {
    "Steeping": "q",
    "Percolating": "r",
    "Decanted": "succeeded",
    "Curdled": "failed",
    "0": "q",
    "1": "r",
    "2": "succeeded",
    "3": "failed",
}
"""What a person who knows the server answers."""


def scenario(dialect: str, *, bad: bool = True) -> dict[str, Json]:
    """Two scripts, one of which fails; both are seen in each of their states."""
    return {
        "defaults": {"queue": "300ms", "duration": "600ms", "dialect": dialect},
        "behaviours": [{"match": {"scriptName": "bad"}, "outcome": "failed" if bad else "succeeded"}],
    }


@dataclass
class Evening:
    """What a person types, edits and is asked."""

    aftrun: Run
    server: Sandbox
    folder: Path
    commands: list[str] = field(default_factory=list)
    edits: int = 0
    confirmations: int = 0
    known: list[str] = field(default_factory=list)
    said: str = ""

    def types(self, *words: str, stdin: str = "") -> Done:
        """One command."""
        self.commands.append(" ".join(words))
        done = self.aftrun(*words, env={"AFT_API_KEY": self.server.api_key}, stdin=stdin)
        self.said += done.out + done.err
        return done

    def edits_manifest(self, old: str, new: str) -> None:
        """One edit."""
        self.edits += 1
        path = self.folder / "night.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def learns(self, done: Done, job: str, timeout_seen: str) -> Done:
        """Answer the questions about one job, in the order in which its words were seen."""
        report = done.report()
        (job_id,) = (each["jobId"] for each in report["jobs"] if each["name"] == job)
        order = re.findall(r"'(\w+)' \d\d:\d\d:\d\d", timeout_seen)
        new = [word for word in dict.fromkeys(order) if word not in self.known]
        answers = [MEANINGS[word] for word in new]
        self.known += new
        self.confirmations += len(answers)
        learned = self.types("learn", job_id, stdin="".join(f"{answer}\n" for answer in answers))
        assert learned.err.count("What does ") == len(answers), learned.err
        return learned

    def outcomes(self, done: Done) -> dict[str, str]:
        """How the jobs ended, by the newest report."""
        return {each["name"]: each["outcome"] for each in done.report()["jobs"]}


@pytest.fixture
def evening(aftrun: Run, sandbox: Start, tmp_path: Path) -> Callable[[str], Evening]:
    """The manifest of somebody who has read the README, and a server."""

    def begin(dialect: str) -> Evening:
        server = sandbox(scenario(dialect))
        (tmp_path / "night.yaml").write_text(MANIFEST.replace("URL", server.url), encoding="utf-8")
        return Evening(aftrun, server, tmp_path)

    return begin


def reaches_the_server(one: Evening) -> None:
    """Pin the certificate, and ask whether anything stands in the way."""
    shown = one.types("trust", one.server.url)
    pin = re.findall(r"sha256:[0-9a-f]{64}", shown.out)[0]
    one.edits_manifest("url: ", f"tls: {{fingerprint: '{pin}'}}\n  url: ")
    assert one.types("doctor", "night.yaml").code == 0


def no_false_advice(said: str) -> None:
    """Nothing that was printed lists a word as a good end that is none."""
    for word in ("Steeping", "Percolating", "Curdled", "0", "1", "3"):
        assert not re.search(rf"succeeded: \[[^\]]*\b{word}\b", said), word


@pytest.mark.parametrize("dialect", ["default", "upper", "nested", "finished"])
def test_known_words_need_three_commands(evening: Callable[[str], Evening], dialect: str) -> None:
    """Pin, check, run: one edit, and the report is true. Words in capitals, nested objects and exit codes are known."""
    one = evening(dialect)
    reaches_the_server(one)
    done = one.types("apply", "night.yaml")
    assert one.outcomes(done) == TRUTH
    assert done.code == 1
    assert (len(one.commands), one.edits, one.confirmations) == (3, 1, 0)
    assert "does not know" not in one.said


@pytest.mark.parametrize("dialect", ["unlisted", "numeric"])
def test_unknown_words_need_six_commands_and_one_answer_a_word(evening: Callable[[str], Evening], dialect: str) -> None:
    """Nothing is a success before a person says so, and what is learned ends the run with nothing submitted again."""
    one = evening(dialect)
    reaches_the_server(one)
    done = one.types("apply", "night.yaml", "--timeout", "4s")
    assert "succeeded" not in one.outcomes(done).values()
    assert done.code == 6
    words = ["Steeping", "Percolating", "Decanted", "Curdled"] if dialect == "unlisted" else ["0", "1", "2", "3"]
    for word in words:
        assert f"the server says state '{word}', which aftrun does not know" in done.err, word
    assert "aftrun learn " in done.err
    assert done.err.index("aftrun resume ") < done.err.index("--include-unknown")
    for job in ("good", "bad"):
        block = next(
            part for part in done.err.split("warning: ")[::-1] if part.startswith(f"{job}: ") and "seen so" in part
        )
        one.learns(done, job, block)
    done = one.types("resume", "--job-info-from", "night.yaml")
    assert one.outcomes(done) == TRUTH
    assert done.code == 1
    assert len(one.commands) <= 6
    assert one.confirmations == len(words)
    assert len(one.server.jobs()) == 2
    text = (one.folder / "night.yaml").read_text(encoding="utf-8")
    assert text.startswith("# the first evening\nserver:\n")
    assert "# ours" in text
    no_false_advice(one.said)
    again = one.aftrun("apply", "night.yaml", env={"AFT_API_KEY": one.server.api_key})
    assert one.outcomes(again) == TRUTH


def test_a_word_that_was_followed_cannot_be_called_an_end(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Not by an answer, not by a flag, and `status --raw` offers no line for it. A flag that does nothing says so."""
    server = sandbox({"defaults": {"queue": "300ms", "duration": "60s", "dialect": "unlisted"}})
    (tmp_path / "m.yaml").write_text(f"server:\n{POLL}jobs: [{{scriptName: a}}]\n", encoding="utf-8")
    aftrun("apply", "m.yaml", "--timeout", "1s", server=server)
    (job,) = server.jobs()
    environ = {"AFT_API_KEY": server.api_key}
    refused = aftrun("learn", job.id, "--word", "Steeping=succeeded", env=environ)
    assert refused.code == 2
    assert "another word followed 'Steeping', so it is no end" in refused.err
    asked = aftrun("learn", job.id, stdin="succeeded\nq\nr\n", env=environ)
    assert asked.code == 0, asked.err
    assert "another word followed 'Steeping', so it is no end" in asked.err
    assert "states:\n      queued: [Steeping]\n      running: [Percolating]\n" in (tmp_path / "m.yaml").read_text()
    raw = aftrun("status", job.id, "--raw", "--job-info-from", "m.yaml", env=environ)
    assert "running" in raw.out
    assert aftrun("learn", job.id, env=environ).err.startswith("aftrun knows every word of it")
    text = (tmp_path / "m.yaml").read_text()
    for words, code, said in (
        (("Steeping=queued", "Elsewhere=failed"), 0, "note: --word Elsewhere=failed: this job was never seen in that"),
        (("perco-lating=failed",), 2, "--word perco-lating=failed: 'Percolating' is read as running already"),
        (("X=failed", "x=running"), 2, "--word X=failed and --word x=running: one word means one thing"),
    ):
        done = aftrun("learn", job.id, *(part for word in words for part in ("--word", word)), env=environ)
        assert (done.code, (tmp_path / "m.yaml").read_text()) == (code, text), done.err
        assert said in done.err


def test_words_learned_elsewhere_end_what_is_watched(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """A file of words is written, added to, and read by wait, status, show, start, retry and resume."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "300ms", "dialect": "unlisted"}})
    environ = {"AFT_API_KEY": server.api_key}
    (tmp_path / "m.yaml").write_text(f"server:\n{POLL}jobs: [{{scriptName: a}}]\n", encoding="utf-8")
    before = (tmp_path / "m.yaml").read_bytes()
    run = aftrun("apply", "m.yaml", "--timeout", "2s", server=server)
    assert run.code == 6
    (job,) = server.jobs()
    first = aftrun("learn", job.id, "--to", "words.yaml", "--word", "Percolating=running", env=environ)
    assert first.code == 0, first.err
    assert (tmp_path / "m.yaml").read_bytes() == before
    assert aftrun("learn", job.id, "--to", "words.yaml", "--word", "Decanted=succeeded", env=environ).code == 0
    text = (tmp_path / "words.yaml").read_text(encoding="utf-8")
    assert text.endswith("    states:\n      running: [Percolating]\n      succeeded: [Decanted]\n")
    shown = aftrun("show", "--job-info-from", "words.yaml", env=environ)
    assert "'Decanted' reads as succeeded" in shown.err
    named = text.partition("\n")[2].replace("server:", "prod:").replace("\n", "\n  ")
    (tmp_path / "named.yaml").write_text(
        f"servers:\n  {named.rstrip()}\n  b: {{jobInfo: {{status: s}}}}\n", encoding="utf-8"
    )
    shown = aftrun("show", "--job-info-from", "named.yaml", env=environ)
    assert "'Decanted' reads as succeeded on prod" in shown.err, shown.err
    for words in (("status", job.id), ("resume",)):
        done = aftrun(*words, "--job-info-from", "named.yaml", env=environ)
        assert done.code == 6
        assert "warning: --job-info-from: what it says of b, prod is not used" in done.err
    for command in (("status", job.id), ("wait", job.id, "--timeout", "2s")):
        assert aftrun(*command, env=environ).code == 6
        done = aftrun(*command, "--job-info-from", "words.yaml", env=environ)
        assert done.code == 0, done.err
        assert "succeeded" in done.out
    done = aftrun("resume", "--job-info-from", "words.yaml", env=environ)
    assert done.code == 0, done.err
    assert len(server.jobs()) == 1
    assert aftrun("start", "-n", "a", "--job-info-from", "words.yaml", "--timeout", "9s", server=server).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs: [{scriptName: a}]\n", "says nothing of how to read a job info"),
        ("server: {jobInfo: {states: {suceeded: [x]}}}\n", "did you mean"),
        ("jobInfo: {status: '[', states: {failed: [x]}}\n", "JMESPath"),
        ("server: [", "words.yaml:"),
        ("states: {succeeded: [x]}\n", "words.yaml:1:1: error[AFT010]: 'states' stands under no key"),
        ('{"status": "a.b", "states": {}}', "put it under `jobInfo:`"),
    ],
)
def test_a_file_of_words_that_is_none_is_refused_by_name(
    aftrun: Run, sandbox: Start, tmp_path: Path, text: str, said: str
) -> None:
    """Before anything is sent: file, line and what is wrong."""
    server = sandbox()
    (tmp_path / "words.yaml").write_text(text, encoding="utf-8")
    done = aftrun("start", "-n", "a", "--job-info-from", "words.yaml", server=server)
    assert done.code == 2
    assert "words.yaml" in done.err
    assert said in done.err
    assert not server.ledger()


def test_a_job_that_aftrun_did_not_start_can_be_learned_from(aftrun: Run, sandbox: Start, tmp_path: Path) -> None:
    """Its present word is all that there is; the flags say where it is."""
    server = sandbox({"defaults": {"queue": "0s", "duration": "10ms", "dialect": "unlisted"}})
    aftrun("start", "-n", "a", "--no-wait", "--state-dir", "elsewhere", server=server)
    (job,) = server.jobs()
    done = aftrun("learn", job.id, "--to", "w.yaml", "--word", "Decanted=succeeded", server=server)
    assert done.code == 0, done.err
    waited = aftrun("wait", job.id, "--job-info-from", "w.yaml", "-o", "json", server=server)
    assert json.loads(waited.out)["run"]["outcome"] == "succeeded"
