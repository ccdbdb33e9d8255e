"""The table in docs/security.md of what lures do, and the file that it is made of."""

import json
from collections.abc import Mapping
from pathlib import Path

from faults.hostile.lures import ABOVE, CWD, KIT, LURES, ROOT, Effect, Link, Lure
from signedin.providers.acp.catalogue import AGENTS
from signedin.providers.gemini.trust import FOLLOWED
from signedin.providers.shared.project import ProjectFiles

MEASURED = Path(__file__).with_name("measured.json")
PAGE = Path(__file__).parents[3] / "docs" / "security.md"
BEGIN, END = "<!-- generated: hostile -->\n", "<!-- end -->"

Measured = dict[str, dict[str, list[str]]]
"""By the name of a program and of a lure, what it did."""

WORDS = {Effect.INSTRUCTS, Effect.LEADS}
"""What stays on without trust: words, not programs."""

NOTHING = "-"

BY_COMMAND = "git"
"""Whose lures work when git is run, and the model runs it as far as `permissions` go."""


REFUSES: Mapping[str, ProjectFiles] = {
    "gemini-cli": FOLLOWED,
    **{f"acp:{name}": agent.guard.files for name, agent in AGENTS.items() if agent.guard},
}
"""By transport or agent, what it is not started beside. `gemini-acp` is, but not with tools."""


def refuses(driven: str, lure: Lure) -> bool:
    """Whether a run is refused in a repository that has this lure."""
    follows = REFUSES.get(driven, ProjectFiles())
    looked_for = [CWD + name for name in follows.inside]
    looked_for += [folder + name for folder in (CWD, ROOT, ABOVE, KIT) for name in follows.upwards]
    return any(f"{path}/".startswith(f"{name}/") for path in lure.files for name in looked_for)


def read_measured() -> Measured:
    """What the bare programs did when they were measured."""
    return json.loads(MEASURED.read_text())


def write_measured(program: str, effects: Mapping[str, list[str]]) -> None:
    """Notes what a bare program does, and writes the table anew."""
    measured = read_measured() if MEASURED.exists() else {}
    measured[program] = {name: effects[name] for name in sorted(effects)}
    ordered = {name: measured[name] for name in sorted(measured)}
    MEASURED.write_text(json.dumps(ordered, indent=1) + "\n")
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + table(ordered) + END + after)


def written_table() -> str:
    """The table as it stands in the documentation."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


def table(measured: Measured) -> str:
    """The table as it should be."""
    rows = [_row(lure, measured) for lure in LURES]
    head = (
        "| lure | file | what it does | to the bare program | without `trust_project` "
        "| not started beside it |\n|---|---|---|---|---|---|\n"
    )
    return head + "".join(rows)


def _row(lure: Lure, measured: Measured) -> str:
    files = ", ".join(
        f"`{path.removeprefix('repo/app/')}`"
        for path, said in lure.files.items()
        if not isinstance(said, Link) or len(lure.files) == 1
    )
    followed = [name for name, effects in measured.items() if lure.name in effects]
    bare = ", ".join(followed) or NOTHING
    if lure.effect in WORDS:
        ours = "as the bare program" if followed else NOTHING
    elif lure.whose == BY_COMMAND:
        ours = "by the model's own `git`"
    else:
        ours = "nothing"
    refused = ", ".join(f"`{name}`" for name in REFUSES if refuses(name, lure)) or NOTHING
    return f"| {lure.name} | {files} | {lure.effect} | {bare} | {ours} | {refused} |\n"
