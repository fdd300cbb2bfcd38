"""The built book: every page is there, every link inside leads somewhere, and nothing comes from another host."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup

from .conftest import ROOT, SITE, pages, parsed

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}


def documents() -> list[str]:
    """Return the documents that the table of contents names, without their endings."""
    return [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


def source(document: str) -> Path:
    return next(path for ending in (".ipynb", ".md") if (path := ROOT / f"{document}{ending}").is_file())


def broken(page: Path, soup: BeautifulSoup) -> list[str]:
    """Return the links of `page` that lead to no file or to no anchor of the built book."""
    found = []
    for link in soup.find_all("a", href=True):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_file():
            found.append(link["href"])
        elif parts.fragment and target.suffix == ".html":
            anchor = unquote(parts.fragment)
            there = soup if target == page else parsed(target)
            if not there.find(id=anchor) and not there.find(attrs={"name": anchor}):
                found.append(link["href"])
    return found


def foreign(soup: BeautifulSoup) -> list[str]:
    """Return what a browser would load from another host to show the page."""
    found = []
    for name, attribute in LOADED.items():
        for tag in soup.find_all(name, attrs={attribute: True}):
            # A canonical address is not loaded, and a notebook's own pictures are data addresses.
            if name == "link" and not {"stylesheet", "preload", "icon"} & set(tag.get("rel", [])):
                continue
            if urlsplit(tag[attribute]).netloc:
                found.append(tag[attribute])
    for script in soup.find_all("script", src=False):
        if script.get("type") in (None, "module", "text/javascript"):
            found += re.findall(r"https?://[^\"'\s]+", script.string or "")
    return found


def unnamed(soup: BeautifulSoup) -> list[str]:
    """Return the pictures that a reader who cannot see them is told nothing of."""
    # A notebook's picture without alt text of its own is named by its file.
    empty = re.compile(r"^$|^\.\./|_images/|\.(png|svg|jpg)$")
    return [str(tag)[:120] for tag in soup.find_all("img") if empty.search(tag.get("alt", "").strip())]


@pytest.mark.parametrize("document", documents())
def test_every_page_of_the_contents_is_built(site, document):
    page = site / f"{document}.html"
    assert page.is_file()
    assert parsed(page).find("h1") is not None


def test_no_chapter_is_left_out_of_the_contents():
    written = {
        str(path.relative_to(ROOT).with_suffix(""))
        for ending in ("ipynb", "md")
        for path in (ROOT / "book").rglob(f"*.{ending}")
        if not any(part.startswith((".", "_")) for part in path.relative_to(ROOT).parts)
    }
    assert written == set(documents())


def test_only_the_contents_are_built(site):
    assert {str(page.relative_to(site).with_suffix("")) for page in pages()} == set(documents())


def test_links_inside_the_book_lead_somewhere(site):
    assert pages()
    assert {str(page): found for page in pages() if (found := broken(page, parsed(page)))} == {}


@pytest.mark.parametrize("href", ["no-such-page.html", "index.html#no-such-anchor", "#no-such-anchor"])
def test_a_dead_link_would_be_found(site, href):
    page = site / "book" / "index.html"
    assert broken(page, BeautifulSoup(f'<a href="{href}">x</a>', "html.parser")) == [href]


def test_nothing_is_loaded_from_another_host(site):
    every = sorted(site.rglob("*.html"))
    assert {str(page): found for page in every if (found := foreign(parsed(page)))} == {}


def test_style_sheets_load_nothing_from_another_host(site):
    loads = re.compile(r"url\(\s*[\"']?(?:https?:)?//|@import\s+[\"'](?:https?:)?//")
    assert [str(sheet) for sheet in site.rglob("*.css") if loads.search(sheet.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="//example.org/x.css">',
        '<img src="http://example.org/x.png" alt="x">',
        '<script>const URL = "https://example.org/x.js"</script>',
    ],
)
def test_another_host_would_be_found(html):
    assert foreign(BeautifulSoup(html, "html.parser"))


def test_every_picture_has_words(site):
    assert {str(page): found for page in pages() if (found := unnamed(parsed(page)))} == {}


@pytest.mark.parametrize("html", ['<img src="x.png">', '<img src="x" alt="">', '<img alt="../_images/0f3a.png">'])
def test_a_picture_without_words_would_be_found(html):
    assert unnamed(BeautifulSoup(html, "html.parser"))


@pytest.mark.parametrize("document", [name for name in documents() if source(name).suffix == ".ipynb"])
def test_colab_opens_the_page_s_own_file(site, document):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    owner_and_name = urlsplit(settings["project"]["urls"]["Repository"]).path.strip("/")
    links = {
        link["href"]
        for link in parsed(site / f"{document}.html").find_all("a", href=True)
        if urlsplit(link["href"]).netloc == "colab.research.google.com"
    }
    path = source(document).relative_to(ROOT).as_posix()
    # Links from one page to another's notebook are the text's own; the page's own must be there.
    assert f"https://colab.research.google.com/github/{owner_and_name}/blob/main/{path}" in links
    for link in links:
        _, _, there = urlsplit(link).path.partition("/blob/main/")
        assert (ROOT / there).is_file()


def test_formulas_have_their_renderer_beside_them(site):
    assert (SITE / "_static" / "tex-svg-full.js").stat().st_size > 1_000_000


def test_every_reference_is_listed(site):
    entries = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(entries) == len(set(entries)) > 40
    listed = parsed(site / "book" / "appendix" / "references.html").select("div.citation")
    assert len(listed) == len(entries)


def test_search_finds_the_chapters(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert [document for document in documents() if f'"{document}"' not in index] == []
