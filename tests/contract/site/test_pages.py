"""The built site in a real browser, from the file system."""

import os
import subprocess
from pathlib import Path

import pytest

from support.browser import Tab, open_tab

ROOT = Path(__file__).parents[3]
ZENSICAL = ROOT / ".venv-site" / "bin" / "zensical"
SITE = ROOT / "build" / "site"
LOOKS = [(1280, "light", "default"), (390, "dark", "slate")]
"""Width of the window, what the system prefers, and what the theme calls that."""

SHOWN = """\
(async () => {
  while (document.body.dataset.mdColorScheme !== "%s") await new Promise(requestAnimationFrame)
  document.getAnimations().forEach(animation => animation.finish())
})()
"""
FITS = """\
document.documentElement.scrollWidth <= innerWidth && (innerWidth < 1280
  || [...document.querySelectorAll(".md-typeset__scrollwrap")].every(
    box => box.scrollWidth <= box.clientWidth))
"""
# Colors are painted over each other, from the ground of the page up, to see what comes out.
FAINT = """\
(() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const luminance = colors => {
    for (const color of colors) {
      pen.fillStyle = color
      pen.fillRect(0, 0, 1, 1)
    }
    const linear = [...pen.getImageData(0, 0, 1, 1).data].map(byte => byte / 255).map(
      value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
  }
  const grounds = new Map([[null, ["white"]]])
  const ground = element => {
    if (!grounds.has(element)) {
      const own = getComputedStyle(element).backgroundColor
      const below = ground(element.parentElement)
      grounds.set(element, own === "rgba(0, 0, 0, 0)" ? below : [...below, own])
    }
    return grounds.get(element)
  }
  const contrasts = new Map()
  const contrast = element => {
    const colors = [...ground(element), getComputedStyle(element).color]
    const key = colors.join()
    if (!contrasts.has(key)) {
      const [less, more] = [luminance(colors.slice(0, -1)), luminance(colors)].sort((a, b) => a - b)
      contrasts.set(key, (more + 0.05) / (less + 0.05))
    }
    return contrasts.get(key)
  }
  const hasText = element => [...element.childNodes].some(
    node => node.nodeType === Node.TEXT_NODE && node.data.trim())
  return [...document.querySelectorAll("article *")]
    .filter(element => hasText(element) && element.checkVisibility({ opacityProperty: true }))
    .filter(element => contrast(element) < 4.5)
    .map(element => element.textContent)
})()
"""

# What it has drawn is in the shadow of its element.
SEARCH = """\
const host = () => [...document.querySelectorAll("*")].find(element => element.shadowRoot)
const shown = selector => host()?.shadowRoot.querySelector(selector)
"""
WAIT_FOR = f"(async () => {{ {SEARCH} while (!(%s)) await new Promise(requestAnimationFrame) }})()"


@pytest.fixture(scope="module")
def site() -> Path:
    """The site, built once for all tests; `make test-all` installs what builds it."""
    if not ZENSICAL.exists():
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("what builds the site is not installed; see make site")
    done = subprocess.run(
        [ZENSICAL, "build", "--clean", "--strict"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return SITE


@pytest.fixture
def pages(site: Path) -> list[Path]:
    """All but that for missing addresses, whose links begin at the root of a server."""
    return sorted(set(site.rglob("*.html")) - {site / "404.html"})


def complaints(tab: Tab) -> list[object]:
    """What a page has requested from elsewhere, and the errors on its console."""
    urls = [request["request"]["url"] for request in tab.reported("Network.requestWillBeSent")]
    logged = [entry["entry"] for entry in tab.reported("Log.entryAdded")]
    return [
        *[url for url in urls if not url.startswith(("file:", "data:", "about:"))],
        *[entry["text"] for entry in logged if entry["level"] == "error"],
        *[call["args"] for call in tab.reported("Runtime.consoleAPICalled")],
        *[thrown["exceptionDetails"] for thrown in tab.reported("Runtime.exceptionThrown")],
    ]


@pytest.mark.timeout(600)
async def test_every_page_fits_can_be_read_and_requests_nothing(
    site: Path, pages: list[Path], tmp_path: Path
) -> None:
    assert len(pages) > 100
    looks, found = LOOKS.copy(), list[object]()
    async with open_tab(tmp_path) as tab:
        for page in pages:
            await tab.open(page)
            for width, preferred, scheme in looks:
                window = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
                await tab.command("Emulation.setDeviceMetricsOverride", **window)
                system = {"name": "prefers-color-scheme", "value": preferred}
                await tab.command("Emulation.setEmulatedMedia", features=[system])
                await tab.run(SHOWN % scheme)
                where = (page.relative_to(site).as_posix(), width, preferred)
                if not await tab.run(FITS):
                    found.append((*where, "is too wide"))
                found += [(*where, "is faint", text) for text in await tab.run(FAINT)]
            looks.reverse()  # the next page begins as this one ends: a change takes long
            found += [(page.name, complaint) for complaint in complaints(tab)]
    assert found == []


async def test_a_result_of_the_search_opens_its_page(site: Path, tmp_path: Path) -> None:
    async with open_tab(tmp_path) as tab:
        await tab.open(site / "index.html")
        await tab.run("document.querySelector('.md-search__button').click()")
        await tab.run(WAIT_FOR % "host()?.shadowRoot.activeElement")
        await tab.command("Input.insertText", text="worktree")
        await tab.run(WAIT_FOR % "shown('a')")
        assert complaints(tab) == []
        tab.events.clear()
        await tab.run(f"{SEARCH} shown('a').click()")
        await tab.loaded()
        assert await tab.run("location.href") == (site / "worktrees.html").as_uri()
        heading = await tab.run("document.querySelector('h1').firstChild.data")
    assert heading == "Worktrees, the best of several, reviews"
