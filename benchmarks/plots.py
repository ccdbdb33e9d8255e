"""Draws the plots of docs/benchmarks.md: our share of another's time, with its spread.

python -m benchmarks.plots RESULTS.json   publishes that run as docs/benchmarks.json, and draws
python -m benchmarks.plots                draws docs/benchmarks.json
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

DOCS = Path(__file__).resolve().parent.parent / "docs"
PUBLISHED, PAGE, PICTURES = DOCS / "benchmarks.json", DOCS / "benchmarks.md", DOCS / "pictures"
BEGIN, END = "<!-- plots -->", "<!-- end of plots -->"

_EVENTS, _JSON = "signedin, for event in …", "raw readline + json.loads"
_TURN, _RUN = "signedin, session.run", "signedin, client.run"
_HTTP, _AXIO, _OPENAI = (
    "signedin, ChatGPTTransport",
    "axio-transport-codex",
    "openai, responses.create",
)
_SDK = "claude_agent_sdk, ClaudeSDKClient"
_CLIENT = "from signedin import Client"
PLOTS = (
    ("Codex", "import", "import", _CLIENT, ("oauthpy", "openai_codex")),
    ("Codex", "cold-run", "wall", "signedin", ("codex exec", "oauthpy", "openai_codex")),
    ("Codex", "warm-turn", "wall", _TURN, ("raw pipes, same thread", "openai_codex, thread.run")),
    ("Codex", "warm-turn", "wall", _RUN, ("raw pipes, new thread", "oauthpy, client.run")),
    ("Codex", "long-answer", "cpu", _EVENTS, (_JSON, "openai_codex, turn.stream")),
    ("ChatGPT", "http-stream", "cpu", _HTTP, ("raw aiohttp + json.loads", _AXIO, _OPENAI)),
    ("ChatGPT", "http-first", "wall", _HTTP, (_AXIO, _OPENAI)),
    ("Claude", "claude-cold", "wall", "signedin", ("claude -p", "oauthpy", "claude_agent_sdk")),
    ("Claude", "claude-cold", "wall", "signedin", ("agentabi",)),
    ("Claude", "claude-warm", "wall", _TURN, ("bare process, same conversation", _SDK)),
    ("Claude", "claude-deltas", "cpu", _EVENTS, (_JSON, _SDK)),
    ("Gemini", "gemini-cold", "wall", "signedin", ("gemini", "oauthpy")),
    ("Gemini", "gemini-warm", "wall", _TURN, ("bare ACP, same session",)),
    ("Gemini", "gemini-warm", "wall", _RUN, ("bare ACP, new session",)),
)
"""Picture, measurement, what is compared, whose figure is divided, and by whose."""

WIDTH, ROW, MARGIN = 620, 44, 12
SCALE = WIDTH - 2 * MARGIN
STYLE = """
svg { font: 13px system-ui, sans-serif;
  --ground: #f6f8fa; --text: #1f2328; --less: #2f6feb; --more: #b35900 }
@media (prefers-color-scheme: dark) { svg {
  --ground: #16181d; --text: #e6e8ec; --less: #4d8dff; --more: #e08a2e } }
.ground { fill: var(--ground) } text { fill: var(--text) } .title { font-weight: bold }
.right { text-anchor: end } .less { fill: var(--less) } .more { fill: var(--more) }
path { stroke: var(--text); stroke-width: 1.5 } .one { stroke-dasharray: 2 2 }
"""


def published(results: Mapping[str, Any]) -> dict[str, Any]:
    """What is published of a run: its circumstances and the ratios, without single samples."""
    kept = ("moment", "machine", "load", "quick", "versions")
    return {**{name: results[name] for name in kept}, "ratios": list(ratios(results))}


def ratios(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The ratios within each round: their median, least and most; of what the run has measured."""
    for plot, name, metric, ours, others in PLOTS:
        measured = results["measurements"].get(name, {"contestants": {}})
        samples = {who: [s[metric] for s in all_] for who, all_ in measured["contestants"].items()}
        for other in filter(samples.__contains__, others):
            pairs = zip(samples[ours], samples[other], strict=True)
            values = [round(mine / theirs, 3) for mine, theirs in pairs]
            yield {
                "plot": plot,
                "title": measured["title"],
                "metric": metric,
                "ours": ours,
                "beside": other,
                "rounds": len(values),
                "median": round(statistics.median(values), 3),
                "least": min(values),
                "most": max(values),
            }


def documents(run: Mapping[str, Any]) -> dict[Path, str]:
    """All that is made of what is published: the pictures, and their part of the page."""
    files: dict[Path, str] = {}
    shown = [circumstances(run)]
    for name, group in groupby(run["ratios"], lambda row: row["plot"]):
        rows = list(group)
        file = PICTURES / f"benchmarks-{name.lower()}.svg"
        files[file] = picture(name, rows)
        shown.append(f"![{name}. {words(rows)}](pictures/{file.name})")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    files[PAGE] = "\n\n".join([f"{before}{BEGIN}", *shown, f"{END}{after}"])
    return files


def circumstances(run: Mapping[str, Any]) -> str:
    """When, where and with what the figures were measured."""
    programs = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return (
        f"Measured on {run['moment'][:10]}, all in one {'quick ' * run['quick']}run, on "
        f"{run['machine']}; the load was {run['load']['begin']} when it began and "
        f"{run['load']['end']} when it ended. {programs}."
    )


def words(rows: Sequence[Mapping[str, Any]]) -> str:
    """The picture for those who cannot see it."""
    return "; ".join(f"{row['title']}, {label(row)}: {figures(row)}" for row in rows)


def label(row: Mapping[str, Any]) -> str:
    return f"{row['ours']} ÷ {row['beside']}"


def figures(row: Mapping[str, Any]) -> str:
    digits = 2 if row["median"] >= 0.1 else 3
    return "{median:.{0}f} ({least:.{0}f} to {most:.{0}f})".format(digits, **row)


def picture(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Bars of the ratios, each with a whisker from the least to the most and a line at 1."""
    scale = SCALE / max(1.25, *(row["most"] for row in rows))
    parts: list[str] = []
    y = 10
    for title, group in groupby(rows, lambda row: row["title"]):
        y += 26
        for number, row in enumerate(group):
            what = "processor time" if row["metric"] == "cpu" else "time"
            parts += [] if number else [text(MARGIN, y - 6, f"{title}: {what}", "title")]
            parts += bar(row, y, scale)
            y += ROW
    return (
        f'<svg viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" xmlns="http://www.w3.org/2000/svg">\n'
        f"<title>{escape(name)}. {escape(words(rows))}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{y}" rx="10"/>\n' + "\n".join(parts)
    ) + "\n</svg>\n"


def bar(row: Mapping[str, Any], y: int, scale: float) -> list[str]:
    """One row: who is compared, the figures, and below them the bar and its whisker."""
    least, most, one = (MARGIN + value * scale for value in (row["least"], row["most"], 1))
    kind, length = "less" if row["median"] <= 1 else "more", row["median"] * scale
    place = f'x="{MARGIN}" y="{y + 18}" width="{length:.1f}" height="12" rx="2"'
    ends = f"M{least:.1f} {y + 20}v8M{most:.1f} {y + 20}v8"
    return [
        text(MARGIN, y + 12, label(row), "left"),
        text(WIDTH - MARGIN, y + 12, figures(row), "right"),
        f'<rect class="{kind}" {place}/>',
        f'<path d="M{least:.1f} {y + 24}H{most:.1f}{ends}"/>',
        f'<path class="one" d="M{one:.1f} {y + 15}v18"/>',
    ]


def text(x: float, y: float, content: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}">{escape(content)}</text>'


def main() -> None:
    """Publishes the run that is named, and draws what is published."""
    for name in sys.argv[1:2]:
        run = published(json.loads(Path(name).read_text(encoding="utf-8")))
        document = json.dumps(run, indent=1, ensure_ascii=False)
        PUBLISHED.write_text(f"{document}\n", encoding="utf-8")
    for file, content in documents(json.loads(PUBLISHED.read_text(encoding="utf-8"))).items():
        file.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
