"""What README.md and the tutorial claim is shown by something that is there."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = ["README.md", "docs/tutorial.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SHOWN_BY = re.compile(r"<!-- shown by: (.+?) -->")
MEASURED = re.compile(r"`python -m benchmarks ([\w-]+)`")
RATIOS = json.loads((ROOT / "docs/benchmarks.json").read_text("utf-8"))["ratios"]


def claims(page: str) -> list[str]:
    """Each paragraph, row and entry of a page, with what shows it; what only leads on has none."""
    text, _, _ = CODE.sub("", (ROOT / page).read_text("utf-8")).partition("\n## Read on\n")
    blocks = re.split(r"\n\n|\n(?=[-|] ?)", text.partition("\n## Next\n")[0])
    tables = ("|---", "| to |", "| what |")
    return [
        block.strip()
        for block in blocks
        if block.strip() and not block.strip().startswith(("#", "![", *tables))
    ]


@pytest.mark.parametrize("page", PAGES)
def test_each_claim_names_what_shows_it(page: str) -> None:
    bare = [each for each in claims(page) if not (SHOWN_BY.search(each) or MEASURED.search(each))]
    assert bare == []


@pytest.mark.parametrize("page", PAGES)
def test_what_shows_a_claim_is_there(page: str) -> None:
    named = [
        name
        for found in SHOWN_BY.findall((ROOT / page).read_text("utf-8"))
        for name in found.split(", ")
    ]
    assert named
    for name in named:
        if name.startswith("make "):
            assert f"\n{name.removeprefix('make ')}:" in (ROOT / "Makefile").read_text("utf-8")
            continue
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        assert f"def {test}(" in (ROOT / path).read_text("utf-8") if test else True, name


def test_the_measurements_of_the_readme_are_there() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "benchmarks").rglob("*.py"))
    for name in MEASURED.findall(README):
        assert f'"{name}"' in sources


WHOLE = "ne prompt as a whole process"
DELTAS = "An answer of 20,000 deltas"


@pytest.mark.parametrize(
    ("title", "beside", "said"),
    [
        (f"O{WHOLE}", "codex exec", "{} times as long as `codex exec`"),
        (f"Claude Code, o{WHOLE}", "claude -p", "{} times as long as `claude -p`"),
        (f"Gemini CLI, o{WHOLE}", "gemini", "takes {} of the time of `gemini`"),
        (f"O{WHOLE}", "codex exec", "| {} times `codex exec`"),
        (f"O{WHOLE}", "openai_codex", ", {} of openai-codex's | `python -m benchmarks cold-run`"),
        (
            "A short turn on a warm process",
            "raw pipes, same thread",
            "| {} times the time of the bare",
        ),
        ("A short turn on a warm process", "openai_codex, thread.run", ", {} of openai-codex's, "),
        ("A short turn on a warm process", "oauthpy, client.run", ", {} of oauthpy's"),
        (DELTAS, "openai_codex, turn.stream", "| {} of openai-codex's"),
        (
            f"Claude Code, a{DELTAS[1:]}",
            "claude_agent_sdk, ClaudeSDKClient",
            "| {} of claude-agent-sdk's",
        ),
        (f"{DELTAS} over HTTP", "axio-transport-codex", "| {} of axio-transport-codex's"),
    ],
)
def test_the_figures_are_those_of_the_published_run(title: str, beside: str, said: str) -> None:
    [ratio] = [each for each in RATIOS if (each["title"], each["beside"]) == (title, beside)]
    assert said.format(f"{ratio['median']:.2f}") in README


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", README):
        assert (ROOT / target).exists(), target
