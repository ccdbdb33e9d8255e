"""Makes the pictures of the documentation: a run on a terminal, and the same run as a page.

    python scripts/make_pictures.py            writes them to docs/pictures/
    python scripts/make_pictures.py FOLDER     writes them there

The run is one of the real Codex, whose model is a script on 127.0.0.1. Its times, its session id
and its folder are replaced by fixed ones before anything is drawn, so that the pictures change
only when what they show does.
"""

import io
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text as Line

from signedin import AnyEvent, Client, RunResult
from signedin.cli import blocks
from signedin.cli.page import from_result, render_page
from signedin.cli.render import TurnView
from signedin.loopback import EditFile, LoopbackModel, Reply, Script, Text, Usage, shell
from signedin.model.events import CommandEvent, OtherEvent

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
PROMPT = "The check fails. Fix it."
FLAG = "--permissions workspace-write"
BUG = "    return sum(price for price, quantity in items)\n"
FIX = "    return sum(price * quantity for price, quantity in items)\n"
FILES = {
    "basket.py": f"def total(items):\n{BUG}",
    "check.py": """\
import sys

from basket import total

cost = total([(3, 2), (5, 1)])
print(f"2 pens at 3 and a book at 5: {cost}, expected 11")
sys.exit(cost != 11)
""",
}
CHECK = "python3 -B check.py"
BEGAN = 1_795_424_400.0
SECONDS = 0.1
ELAPSED = 1.4
SESSION = "0199a213-81c0-7800-8aa1-bbab2a035a53"
FOLDER = "/home/you/shop"

COLUMNS = 84
THEME = TerminalTheme(
    (24, 26, 31),
    (220, 222, 228),
    [
        *[(24, 26, 31), (255, 123, 114), (95, 206, 146), (233, 185, 91)],
        *[(121, 168, 255), (210, 168, 255), (86, 212, 221), (220, 222, 228)],
    ],
)
# As rich's own, without the fonts that it loads from another host.
TERMINAL = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}}
.{unique_id}-title {{ font: 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
# The page, whose own style sheet follows the light or dark setting of the reader.
PAGE = """\
<svg viewBox="0 0 {width} {height}" width="{shown}" xmlns="http://www.w3.org/2000/svg">
<style>{style}
foreignObject {{ background: var(--ground); border-radius: 10px; }}</style>
<foreignObject width="{width}" height="{height}">
{body}
</foreignObject>
</svg>
"""
PAGE_SIZE = {"width": 880, "height": 1080, "shown": 660}


def main(folder: Path = PICTURES) -> None:
    """Writes the pictures."""
    result = run()
    for name, picture in {"run.svg": terminal(result), "transcript.svg": page(result)}.items():
        ET.fromstring(picture)
        (folder / name).write_text(picture, encoding="utf-8")


def run() -> RunResult[object]:
    """Lets Codex work, and returns what it did with everything that varies made fixed."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name).resolve()
        for file, content in FILES.items():
            (project / file).write_text(content, encoding="utf-8")
        with (
            LoopbackModel(script(project)) as model,
            Client("codex", **model.client_options("codex")) as client,
        ):
            result = client.run(PROMPT, cwd=project, permissions="workspace-write")
    text = msgspec.json.encode(result.events).decode().replace(str(project), FOLDER)
    events = msgspec.json.decode(text, type=tuple[AnyEvent, ...])
    shown = tuple(fixed(event) for event in events if not isinstance(event, OtherEvent))
    return msgspec.structs.replace(
        result, events=shown, elapsed=ELAPSED, session_id=SESSION, cwd=FOLDER
    )


def script(project: Path) -> Script:
    """What the model says and has the agent do."""
    basket = str(project / "basket.py")
    replies = [
        [Text("I run the check to see how it fails.", phase="commentary"), shell(CHECK)],
        [
            Text("`total` **forgets the quantities**. I fix that.", phase="commentary"),
            EditFile(basket, BUG, FIX),
        ],
        [Text("Now the same check once more.", phase="commentary"), shell(CHECK)],
        [
            Text(
                "The check passes.\n\n"
                "- **Cause:** `total` left out the quantity of each item.\n"
                "- **Fix:** it now adds up `price * quantity`.\n",
                phase="final_answer",
            )
        ],
    ]
    usage = Usage(input_tokens=4_210, cached_input_tokens=4_096, output_tokens=96)
    return Script([Reply(parts, usage=usage) for parts in replies])


def fixed(event: AnyEvent) -> AnyEvent:
    """An event at a fixed time, and a command that took a fixed one."""
    if isinstance(event, CommandEvent) and event.seconds is not None:
        event = msgspec.structs.replace(event, seconds=SECONDS)
    return msgspec.structs.replace(event, timestamp=BEGAN)


def terminal(result: RunResult[object]) -> str:
    """Draws what `signedin run` leaves on a terminal."""
    console = Console(
        file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True, highlight=False
    )
    console.print(Line(f'$ signedin run {FLAG} "{PROMPT}"', style="bold"))
    view = TurnView(blocks.markdown, blocks.answering)
    shown = [block for event in result.events for block in view.feed(event)]
    for block in [*shown, *view.end(result)]:
        console.print(block)
    return console.export_svg(
        theme=THEME, title="signedin run", code_format=TERMINAL, unique_id="run"
    )


def page(result: RunResult[object]) -> str:
    """Draws the page that `signedin run --transcript` writes."""
    html = render_page(from_result(result, prompt=PROMPT))
    style, body = (between(html, f"<{tag}>", f"</{tag}>") for tag in ("style", "body"))
    body = body.replace(" open>", ' open="">')  # as XML has it
    body = f'<body xmlns="http://www.w3.org/1999/xhtml">{body}</body>'
    return PAGE.format(
        style=style.replace("&", "&amp;").replace("<", "&lt;"), body=body, **PAGE_SIZE
    )


def between(text: str, start: str, end: str) -> str:
    """What is in a text between two others."""
    return text.split(start, 1)[1].split(end, 1)[0]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
