"""The site builds strictly, asks nothing of third parties, and its generated pages are what would be generated."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
import yaml

from aftrun.cli.main import COMMANDS
from aftrun.domain.errors import ExitCode
from aftrun.manifest.check.diagnostics import CODES
from docs.badges import BADGES, badges
from docs.generate import PAGES as GENERATED
from tests.conftest import ROOT
from tests.docs.blocks import blocks

DOCS = ROOT / "docs"
MARKDOWN = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
REPOSITORY = "https://github.com/aftrun/aftrun/"
KILO = 1000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Links(HTMLParser):
    """What a page loads, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note sources, targets and anchors."""
        found = {key: value or "" for key, value in attrs}
        self.anchors |= {found.get("id", ""), found.get("name", "") if tag == "a" else ""}
        if tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(found.get("href", ""))
        elif tag in ("script", "img", "source", "iframe", "video", "object"):
            self.loads += [found.get("src", ""), found.get("srcset", "")]


def read(page: Path) -> Links:
    """The links of a page of the site."""
    links = Links()
    links.feed(page.read_text(encoding="utf-8"))
    return links


def test_a_page_asks_nothing_of_third_parties(site: Path) -> None:
    """Everything that pages load is in the site, and is there."""
    seen = 0
    for page in site.rglob("*.html"):
        for source in filter(None, read(page).loads):
            assert not re.match(r"(https?:)?//", source), f"{page.name} loads {source}"
            if page.name != "404.html":
                assert (page.parent / source.partition("?")[0].partition("#")[0]).exists(), f"{page.name}: {source}"
            seen += 1
    assert seen > 100
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_links_lead_somewhere(site: Path) -> None:
    """Every link within the site finds its page and its anchor, those that mkdocs does not look at included."""
    pages = {page.resolve(): read(page) for page in site.rglob("*.html") if page.name != "404.html"}
    for page, links in pages.items():
        for link in links.links:
            if re.match(r"[a-z]+:", link) or not link:
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            assert target in pages, f"{page.name}: {link}"
            assert not anchor or anchor in pages[target].anchors, f"{page.name}: {link}"


def test_links_of_the_files_lead_somewhere() -> None:
    """The same for those who read the files on GitHub; links to the repository name files that are there."""
    for page in MARKDOWN:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
            target = "".join(link).partition("#")[0]
            if target.startswith(REPOSITORY):
                place = re.sub(r"^(blob|tree)/main/", "", target.removeprefix(REPOSITORY))
                assert (ROOT / place).exists(), f"{page.name}: {target}"
            elif target and not target.startswith("https://"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_addresses_elsewhere_are_well_formed() -> None:
    """Links to other sites are https and name a host. Whether they answer cannot be asked here."""
    found = set()
    for page in MARKDOWN:
        for link in re.findall(r"\]\((\w+:[^)\s]*)\)", page.read_text(encoding="utf-8")):
            assert re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/[\w./%~!:@&=+#?-]*)?", link), f"{page.name}: {link}"
            found.add(link)
    assert len(found) > 10


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name: str) -> None:
    """The pages are what schemas, commands and the pages of codes make; `make generate` writes them anew."""
    assert (DOCS / name).read_text(encoding="utf-8") == GENERATED[name](), "run: make generate"


def test_every_page_is_in_the_navigation() -> None:
    """No page is an orphan, and none is listed twice."""
    text = re.sub(r"^(theme|markdown_extensions):.*?(?=^\w)", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = re.findall(r"[\w/.-]+\.md\b", str(yaml.safe_load(text)["nav"]))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_readme_names_every_command() -> None:
    """The table of commands has them all."""
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Commands")[2].partition("\n## ")[0]
    assert [name for name in COMMANDS if not re.search(rf"`(aftrun )?{name}\b", table)] == []


def test_exit_codes_are_those_of_the_program() -> None:
    """The page and README know each code, and no other."""
    for page in (DOCS / "reference" / "exit-codes.md", ROOT / "README.md"):
        rows = re.findall(r"^\| (\d[\d /]*) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
        codes = {int(code) for row in rows for code in row.split("/")}
        assert codes == {int(code) for code in ExitCode}, page.name


def test_the_pictures_are_small_and_load_nothing() -> None:
    """Pictures stay below their sizes, and the recording refers to nothing outside itself."""
    for name, most in (("apply.svg", 300), ("apply-still.svg", 30), ("report.png", 200), ("report-dark.png", 200)):
        assert (DOCS / "images" / name).stat().st_size < most * KILO, name
    for path in (DOCS / "images").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "href" not in text, path
        assert "url(" not in text, path
        assert "sandbox-key" not in text, path


def test_badges_are_true() -> None:
    """What the badges of README say is what pyproject.toml says, and README shows no others."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"docs/images/badges/(\w+)\.svg", readme)
    assert sorted(shown) == sorted(badges())
    for name, text in badges().items():
        assert (BADGES / f"{name}.svg").read_text(encoding="utf-8") == text, "run: python -m docs.badges"
    assert resources.files("aftrun").joinpath("py.typed").is_file()
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]["strict"] is True


def test_every_diagnostic_is_shown_with_an_example_and_a_remedy() -> None:
    """docs/diagnostics.md has two manifests for each code; that they are true is held by the tests of the pages."""
    found = list(blocks(DOCS / "diagnostics.md"))
    assert len(found) == 2 * len(CODES)
    assert {block.language for block in found} == {"yaml"}


def test_messages_of_the_troubleshooting_are_those_of_the_program() -> None:
    """What headings quote, the program says: somebody searches the page for what stands on the screen."""
    headings = re.findall(r"^### (.*)$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
    quoted = [
        part.strip(" .") for each in headings for text in re.findall(r'"(.+?)"', each) for part in text.split("…")
    ]
    code = "\n".join(path.read_text(encoding="utf-8") for path in Path(str(resources.files("aftrun"))).rglob("*.py"))
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # texts over several lines
    code = re.sub(r"\{[^{}\n]*\}", "AFT_API_KEY", code)  # what is filled in, of which one is quoted
    elsewhere = {"HTTP 401", "HTTP 403", "HTTP 404", "aftrun: command not found"}  # a number, and the shell's words
    assert len(quoted) > 10
    assert [part for part in quoted if part and part not in code and part not in elsewhere] == []
