"""The checker of the documentation sees what is wrong with a page, and nothing else."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.blocks import agrees, blocks, commands
from tests.docs.test_blocks import NEEDS_POSIX, Reading, check_flags

pytestmark = NEEDS_POSIX


def page(folder: Path, text: str) -> Path:
    """A page with this text."""
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Reading:
    """Check a page as the test of the documentation does."""
    path = page(folder, text)
    with ExitStack() as stack:
        reading = Reading(path, folder, stack)
        for block in blocks(path):
            reading.read(block)
        reading.validate()
    return reading


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\nb", "a\nb\n"),
        ("run 20260102-030405-abcd: 1 job", "run 20261231-235959-0000: 1 job"),
        ("took 1.5s", "took 20s"),
        ("a\n…\nz", "a\nb\nc\nz"),
        ("a … z", "a lot of text z"),
        ("JOB   OUTCOME", "JOB      OUTCOME"),
        ("03:04:05 ok b [1/2]\n03:04:05 ok a [2/2]", "09:09:09 ok a [1/2]\n09:09:10 ok b [2/2]"),
        ("under way (1s ago)", "under way (just now)"),
        (
            "03:04:05 FAIL a: failed in 0s: x\n03:04:05 FAIL b: failed in 0s: as a",
            "09:09:09 FAIL b: failed in 0s: x\n09:09:09 FAIL a: failed in 1s: as b",
        ),
        ("03:04:05 ok a", "03:04:05      a: Running\n03:04:06 ok a"),
    ],
)
def test_what_wavers_does_not_count(shown: str, printed: str) -> None:
    """Ids, times, durations, widths and the order of jobs side by side may differ; `…` is any text."""
    assert agrees(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a", "b"),
        ("a", "a\nb"),
        ("a\n…\nz", "a\nb"),
        ("exit code 1", "exit code 2"),
        ("2 succeeded, 1 failed", "3 succeeded"),
        ("03:04:05 ok a", "03:04:05 FAIL a"),
        (
            "03:04:05 FAIL a: failed in 0s: x\n03:04:05 FAIL b: failed in 0s: as a",
            "09:09:09 FAIL a: failed in 0s: y\n09:09:09 FAIL b: failed in 0s: as a",
        ),
    ],
)
def test_what_is_wrong_counts(shown: str, printed: str) -> None:
    """Another word, another number, a line more or less is seen."""
    assert not agrees(shown, printed)


def test_state_goes_from_block_to_block(tmp_path: Path) -> None:
    """Variables, folders, files and the last exit code are there for the next block."""
    text = '```bash title="f.sh"\nexport A=1; mkdir d; cd d\n```\n\n```console\n$ echo $A $(basename $PWD)\n1 d\n```\n'
    assert read(tmp_path, text).count["shell"] == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```console\n$ false\n```", "exit code 1 of false"),
        ("```console\n$ echo b\na\n```", r"printed:\s+b"),
        ("```console\n$ exit 3\n```", "the shell ended"),
        ("```yaml\nscriptNmae: x\n```", "AFT021"),
        ("<!-- block: job -->\n```yaml\nretry: {limit: many}\n```", "AFT02"),
        ("```python\nraise SystemExit(2)\n```", "exit code 2"),
        ("```json\n{\n```", "Expecting"),
        ("```\nwhat is this\n```", "not checked by anything"),
        ("<!-- block: skip -->\n```bash\nfalse\n```", "a skip needs a reason"),
        ("```yaml\nscriptId: x\n```", "AFT101"),
    ],
)
def test_a_wrong_page_is_caught(tmp_path: Path, text: str, message: str) -> None:
    """Each kind of block fails when it is not true."""
    with pytest.raises((AssertionError, ValueError), match=message):
        read(tmp_path, text)


def test_flags_that_there_are_not(tmp_path: Path) -> None:
    """A command in a file of others is held against the flags of the program."""
    (good, bad) = blocks(
        page(tmp_path, "```ini\naftrun apply f --select x\n```\n\n```ini\naftrun apply f --selekt x\n```")
    )
    check_flags(good)
    with pytest.raises(AssertionError, match="no flag --selekt"):
        check_flags(bad)


def test_commands_over_several_lines(tmp_path: Path) -> None:
    """`> ` goes on with a command; what follows is its output."""
    (block,) = blocks(page(tmp_path, "```console\n$ one \\\n> two\nout\n$ three\n```"))
    assert [(each.text, each.output) for each in commands(block)] == [("one \\\ntwo", ("out",)), ("three", ())]
