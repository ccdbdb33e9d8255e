"""The site has a way to every page."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def pages(entry):
    if isinstance(entry, str):
        return [entry]
    entries = entry.values() if isinstance(entry, dict) else entry
    return [page for inner in entries for page in pages(inner)]


def test_every_page_is_in_the_navigation_once():
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    docs = ROOT / "docs"
    written = [page.relative_to(docs).as_posix() for page in docs.rglob("*.md")]
    assert sorted(pages(site["project"]["nav"])) == sorted(written)
