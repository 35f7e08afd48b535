"""Values that are partly known, and what may be shown of them."""

from __future__ import annotations

import pytest

from aftrun.domain.values import (
    Inside,
    Origin,
    Outside,
    Template,
    Text,
    Unbound,
    bound,
    nothing_inside,
    preview,
    render,
)

PLAIN = Outside("env", "S", "${S}")
WITH_DEFAULT = Outside("env", "S", "${S:-d}", default="d")
EMPTY_DEFAULT = Outside("env", "S", "${S:-}", default="")
WITH_MESSAGE = Outside("env", "S", "${S:?say it}", message="say it")
DATE = Inside(("run", "date"), "${{ run.date }}")


@pytest.mark.parametrize(
    ("reference", "value", "found"),
    [
        (PLAIN, "v", "v"),
        (PLAIN, "", ""),
        (PLAIN, None, None),
        (WITH_DEFAULT, "v", "v"),
        (WITH_DEFAULT, "", "d"),
        (WITH_DEFAULT, None, "d"),
        (EMPTY_DEFAULT, None, ""),
        (WITH_MESSAGE, "v", "v"),
        (WITH_MESSAGE, "", None),
        (WITH_MESSAGE, None, None),
    ],
)
def test_values_and_defaults(reference: Outside, value: str | None, found: str | None) -> None:
    """As in a shell: `:-` and `:?` take an empty value as unset, a bare reference does not."""
    assert bound(reference, {} if value is None else {("env", "S"): value}) == found


def test_the_same_name_in_another_source_is_another_value() -> None:
    """`${env:x}` and `${file:x}` do not share a value."""
    assert bound(Outside("file", "S", "${file:S}"), {("env", "S"): "v"}) is None


def lookup(reference: Inside) -> str | None:
    """Knows the date."""
    return "2026" if reference.path == ("run", "date") else None


def test_rendering_keeps_the_form_that_may_be_shown() -> None:
    """Outside values stay references in the shown form, inside values are shown."""
    value = Template(("a-", PLAIN, "-", DATE, "$"), "a-${S}-${{ run.date }}$$")
    assert render(value, {("env", "S"): "hunter2"}, lookup) == Text("a-hunter2-2026$", "a-${S}-2026$")


def test_plain_text_is_both() -> None:
    """Nothing is expanded in what has no reference."""
    assert render("${S}", {("env", "S"): "x"}, lookup) == Text("${S}", "${S}")


def test_a_value_is_never_expanded_again() -> None:
    """What comes from outside may look like a reference; it stays text."""
    assert (
        render(Template((PLAIN,), "${S}"), {("env", "S"): "${S} ${{ run.date }}"}, lookup).value
        == "${S} ${{ run.date }}"
    )


@pytest.mark.parametrize("reference", [PLAIN, WITH_MESSAGE, Inside(("jobs", "a", "id"), "${{ jobs.a.id }}")])
def test_a_missing_value_is_an_error_with_the_reference(reference: Outside | Inside) -> None:
    """The text as it was written, so that it can be found."""
    with pytest.raises(Unbound) as caught:
        render(Template((reference,), "x"), {}, lookup)
    assert caught.value.args == (reference.text,)


def test_a_preview_shows_what_is_known() -> None:
    """Outside references never, inside ones where they are known."""
    value = Template(("a-", PLAIN, DATE, Inside(("jobs", "a", "id"), "${{ jobs.a.id }}")), "…")
    assert preview(value, lookup) == "a-${S}2026${{ jobs.a.id }}"
    assert preview(value, nothing_inside) == "a-${S}${{ run.date }}${{ jobs.a.id }}"
    assert preview("text", nothing_inside) == "text"


def test_the_references_of_a_template() -> None:
    """Each kind in order."""
    value = Template((PLAIN, "x", DATE, WITH_DEFAULT), "…")
    assert value.outsides() == (PLAIN, WITH_DEFAULT)
    assert value.insides() == (DATE,)


def test_a_repr_does_not_tell() -> None:
    """A value that is printed by mistake shows only its shown form."""
    assert "hunter2" not in repr(Text("hunter2", "${S}"))
    assert "${S}" in repr(Text("hunter2", "${S}"))


def test_where_a_reference_stands_does_not_make_it_another() -> None:
    """Equal references in two places are equal; an origin reads as editors like it."""
    here, there = (Outside("env", "S", "${S}", origin=Origin("f", line, 2)) for line in (1, 9))
    assert here == there
    assert hash(here) == hash(there)
    assert str(here.origin) == "f:1:2"
