"""Whatever the bytes, the loader answers with manifests or with its own errors."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aftrun.domain.errors import ManifestError, UsageError
from aftrun.manifest import bind, load_all
from aftrun.manifest.check.diagnostics import CODES, render

VALID = sorted((Path(__file__).parents[2] / "manifests" / "valid").rglob("*.yaml"))
SEEDS = [path.read_bytes() for path in VALID]
PIECES = st.sampled_from(
    [b"\t", b"${", b"}", b"${{", b"$$", b": ", b"- ", b"\n", b"&a ", b"*a", b"<<: ", b"!!int ", b"'", b'"', b"[", b"{",
     b"null", b"1", b"\x00", b"\xff", b"jobs:\n", b"needs: ", b"matrix: ", b"x: ", b"|", b"---\n", b"%", b"\xc2\x85"]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid manifest with some of its bytes cut out, put elsewhere, or replaced."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        piece = draw(PIECES | st.just(data[start : end + 20]))
        data = data[:start] + piece + data[end:]
    return data


def outcome(data: bytes) -> ManifestError | UsageError | None:
    """Load and bind; what the loader said, if anything. Any other exception fails the test."""

    def read(path: str) -> bytes:
        if path != "f.yaml":
            raise FileNotFoundError(2, "No such file", path)
        return data

    try:
        bind(load_all(["f.yaml"], read=read, environ={}).manifests, {})
    except (ManifestError, UsageError) as error:
        return error
    return None


def check(data: bytes) -> None:
    """Whatever comes of it can be put in words."""
    error = outcome(data)
    if isinstance(error, ManifestError):
        assert error.problems
        assert all(problem.code in CODES and problem.line > 0 and problem.column > 0 for problem in error.problems)
        assert render(error.problems, [("f.yaml", data)])
    else:
        assert error is None or error.message


@given(st.binary(max_size=80) | st.lists(PIECES, max_size=30).map(b"".join) | st.text(max_size=60).map(str.encode))
def test_arbitrary_bytes(data: bytes) -> None:
    """Bytes without any sense."""
    check(data)


@given(mutated())
def test_mutated_manifests(data: bytes) -> None:
    """Manifests that were valid before somebody's hand slipped."""
    check(data)
