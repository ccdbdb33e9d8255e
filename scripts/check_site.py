"""Checks the built site: it requests nothing from elsewhere, and every link leads somewhere.

    python scripts/check_site.py

Run by `make site`. Links of people to other sites are not followed.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parent.parent / "build" / "site"
REQUESTS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
CSS_REQUEST = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """What a page requests, links to and can be linked at.

    Attributes:
        requests: Addresses that a browser opens by itself.
        links: Addresses that a reader may open.
        anchors: Names of places on the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.requests: list[str] = CSS_REQUEST.findall(text)
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes what one element has of them."""
        found = {name: value for name, value in attrs if value is not None}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if address := found.get(REQUESTS.get(tag, "")):
            self.requests.append(address)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])


def problems(site: Path) -> Iterator[str]:
    """Reports each request to elsewhere and each link that leads nowhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    if not pages:
        yield f"{site} has no pages"
    for path, page in pages.items():
        # The page of missing addresses is shown at any of them: its links begin at the root.
        if path.name == "404.html":
            continue
        where = path.relative_to(site)
        for address in page.requests:
            if urlsplit(address).netloc:
                yield f"{where} requests {address}"
        for address in (*page.links, *page.requests):
            if not leads_somewhere(address, path, pages):
                yield f"{where} links to {address}, which is not there"
    for path in site.rglob("*.css"):
        for address in CSS_REQUEST.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)} requests {address}"


def leads_somewhere(address: str, path: Path, pages: dict[Path, Page]) -> bool:
    """Whether an address of a page is on the site, or on another one."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not parts.fragment or target not in pages:
        return target.is_file()
    return unquote(parts.fragment) in pages[target].anchors


def main() -> int:
    """Prints the problems; the exit code is 1 if there are any."""
    found = list(problems(SITE.resolve()))
    print(*found, sep="\n", file=sys.stderr, end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
