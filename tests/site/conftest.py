"""What the tests of the built book share: where it is, its pages, and its parsed text."""

import os
from functools import cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


def missing(what: str):
    """Skip with the sentence `what`, or fail with it where a skip would hide that nothing was tested."""
    if os.environ.get("SEGEN_NO_SKIP") or os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def pages() -> list[Path]:
    """Return the built pages of the book itself: not the search page, the index or what only redirects."""
    return sorted((SITE / "book").rglob("*.html"))


@pytest.fixture(scope="session")
def site() -> Path:
    if not (SITE / "index.html").is_file():
        missing("The book is not built, so its pages cannot be tested: run `make book`.")
    return SITE
