"""Writes today's figures of `tests/ratchets.toml`, which only a change in sight makes worse.

    python scripts/ratchets.py          what the source says: lines, imports, names, phrases
    python scripts/ratchets.py --hops   also the calls of a prompt, with the agents themselves

Hand-written lines are written as they are: the diff of the file shows them. Of everything else
what is less is written; what is more is refused with exit code 1.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import tomlkit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from signedin.cli.app import COMMANDS
from support.folders import outside_of_sandboxes
from support.rows import Row, row_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "signedin"
TABLE = ROOT / "tests" / "ratchets.toml"
FILES = sorted(PACKAGE.rglob("*.py"))
PUBLIC_NAMES = ROOT / "tests" / "unit" / "core" / "public_names.txt"
OUTSIDE = ("cli", "integrations", "jobs")
"""What is built on the public names, as a user's program would be."""

PHRASES = {
    "begins with Has": r"\A(Has|Have) (?!to\b)",
    "begins with Returns who": r"\A(Returns?|Says?|Tells?|Wakes?) (who|what|whose)\b",
    "nobody": r"\b[Nn]obody\b",
    "what is left": r"\bwhat is left\b",
    "goes on": r"\b(go|goes|going|went|gone) on\b",
    "of then": r"\bof then\b",
    "of theirs": r"\bof (theirs|ours)\b",
    "in vain": r"\bin vain\b",
    "tells apart": r"\b(tells?|told) [\w ]*apart\b",
    "gives back": r"\b(gives?|gave) back\b",
    "puts away": r"\bputs? away\b",
    "is no": r"(?<![Tt]here )\b(is|are|was|were) (no|none of) (?!longer|more|later|earlier|older)",
    "shall": r"\bshall\b",
    "on its way": r"\bon (its|their) way\b",
    "for good": r"\bfor good\b",
    "goes before": r"\bgoes before\b",
    "once more": r"\bonce more\b",
    "is meant": r"\bis meant\b",
    "may be given several times": r"\bmay be given several\b",
    "does not count": r"\bdoes not count\b",
    "takes none": r"\btakes none\b",
    "trying again": r"\b(trying|tries) again\b",
}
"""What is not plain English, and how it is found; CONTRIBUTING.md has what to write instead."""

Figures = dict[str, object]


@cache
def sources() -> Mapping[str, ast.Module]:
    """Returns the hand-written files, by their paths within the package."""
    found = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in FILES}
    return {
        name: ast.parse(text)
        for name, text in found.items()
        if not text.startswith("# Generated") and not name.startswith("providers/codex/protocol/")
    }


def lines() -> Figures:
    """Counts the hand-written lines of each folder."""
    counts: Counter[str] = Counter()
    for name in sources():
        folder, slash, _ = name.partition("/")
        counts[folder if slash else "."] += (PACKAGE / name).read_text("utf-8").count("\n")
    return dict(sorted(counts.items()))


def private_imports() -> Figures:
    """Lists what the outer folders import of signedin besides public names and `runtime`."""
    public = _public_objects()
    found: dict[str, set[str]] = {folder: set() for folder in OUTSIDE}
    for name, tree in sources().items():
        folder = name.partition("/")[0]
        for module, imported in _imports(tree) if folder in OUTSIDE else ():
            own = module.split(".")[1:2] in ([folder], ["runtime"])
            if not own and id(getattr(import_module(module), imported, None)) not in public:
                found[folder].add(f"{module}:{imported}")
    return {folder: sorted(names) for folder, names in found.items()}


def _public_objects() -> set[int]:
    """The identities of what is public; its home may be any module."""
    listed = [line.split(": ") for line in PUBLIC_NAMES.read_text("utf-8").splitlines()]
    return {
        id(getattr(import_module(module), name))
        for module, name in listed
        if module.split(".")[1:2] != ["integrations"]
    }


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("signedin"):
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.startswith("signedin."))


def classes() -> Figures:
    """Lists the classes whose name another file uses for a class of its own."""
    found: dict[str, list[str]] = {}
    for name, tree in sources().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(name)
    return {each: files for each, files in sorted(found.items()) if len(files) > 1}


def modules() -> Figures:
    """Lists the modules whose name means something else elsewhere."""
    found: dict[str, dict[str, str]] = {}
    for name in sources():
        stem = Path(name).stem
        if not stem.startswith("__"):
            found.setdefault(stem, {}).setdefault(_meaning(name), name)
    return {each: sorted(at.values()) for each, at in sorted(found.items()) if len(at) > 1}


def _meaning(name: str) -> str:
    """Returns what the name of a module stands for: itself, if it is not one of a kind.

    In all providers a name stands for the same job; a job, its command and its page share theirs.
    """
    folder = name.partition("/")[0]
    if folder in {"cli", "jobs"} and Path(name).stem.replace("_", "-") in COMMANDS:
        return "a command"
    return folder if folder == "providers" else name


def phrases() -> Figures:
    """Counts the phrases that are not plain English, where users and maintainers read them."""
    counts: dict[str, Counter[str]] = {
        part: Counter() for part in ("messages", "docs", "docstrings")
    }
    for part, _, text in texts():
        for phrase, pattern in PHRASES.items():
            counts[part][phrase] += len(re.findall(pattern, text))
    return {part: dict(sorted((+found).items())) for part, found in counts.items()}


def texts() -> Iterator[tuple[str, str, str]]:
    """Yields what is read: of which part it is, where it is, and the text."""
    for name, tree in sources().items():
        for part, line, said in _strings(tree):
            yield part, f"src/signedin/{name}:{line}", " ".join(said.split())
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if path.parent.name != "decisions":
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                yield "docs", f"{path.relative_to(ROOT)}:{number}", line.strip("#-*| ")


def _strings(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """The strings of a file, docstrings apart."""
    nodes = list(ast.walk(tree))
    documentation = {
        node.value
        for node in nodes
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield "docstrings" if node in documentation else "messages", node.lineno, node.value


def hops() -> Figures:
    """Counts the calls of a prompt of each provider, through its default transport."""
    kinds = ("codex-app-server", "claude-cli", "gemini-acp", "chatgpt-responses")
    return {kind: hops_of(row_of(kind)) for kind in kinds}


def hops_of(row: Row) -> dict[str, dict[str, int]]:
    """Counts the calls of a prompt until it is written, how many files and frames they are.

    In a process and an environment of its own: variables, caches and folders make calls.
    """
    binary = [f"--binary={row.binary}"] if row.binary else []
    trace = [sys.executable, str(ROOT / "scripts" / "trace_prompt.py"), row.provider, "--figures"]
    with outside_of_sandboxes() as folder:
        env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        found = subprocess.run([*trace, *binary], cwd=folder, env=env, check=True, stdout=-1)
    return json.loads(found.stdout)


SECTIONS: dict[str, tuple[Callable[[], Figures], str]] = {
    "lines": (lines, "Hand-written lines by folder. They may go up as well, in sight."),
    "private_imports": (
        private_imports,
        "What is imported from elsewhere in signedin besides public names and runtime.",
    ),
    "classes": (classes, "Classes of one name."),
    "modules": (modules, "Modules of one name, but for what providers, or a command, have alike."),
    "phrases": (phrases, "Phrases that are not plain English; see CONTRIBUTING.md."),
    "hops": (hops, "Calls of a prompt until it is written, their files, and frames at the write."),
}
NOT_BY_DEFAULT = {"hops"}
"""What needs agents."""

HEADER = """\
What may only become less; see decision 088. `python scripts/ratchets.py` writes today's figures
(with --hops also those that need agents) and refuses what is more. A change that needs more has to
edit this file.
"""


def read() -> dict[str, Figures]:
    """Returns the table as it is checked in."""
    table = tomlkit.parse(TABLE.read_text("utf-8")).unwrap()
    return {section: table.get(section, {}) for section in SECTIONS}


def grown(before: object, after: object) -> list[str]:
    """Names what is more than before: a figure that is higher, or an entry of a list."""
    if isinstance(after, Mapping):
        old = before if isinstance(before, Mapping) else {}
        return [
            f"{key} {name}".strip()
            for key, each in after.items()
            for name in grown(old.get(key), each)
        ]
    if isinstance(after, list):
        return sorted(set(after) - set(before if isinstance(before, list) else []))
    return [f"{before or 0} -> {after}"] if int(str(after)) > int(str(before or 0)) else []


def main(arguments: list[str]) -> int:
    """Writes the table."""
    table = read()
    code = 0
    for section in SECTIONS.keys() - (set() if "--hops" in arguments else NOT_BY_DEFAULT):
        figures = SECTIONS[section][0]()
        more = [] if section == "lines" else grown(table[section], figures)
        for each in more:
            code = 1
            print(f"{section}: more than before: {each}")
        if not more:
            table[section] = figures
    TABLE.write_text(written(table), "utf-8")
    return code


def written(table: Mapping[str, Figures]) -> str:
    """Returns the text of the file."""
    document = tomlkit.document()
    for line in HEADER.splitlines():
        document.add(tomlkit.comment(line))
    for section, (_, comment) in SECTIONS.items():
        part = tomlkit.table()
        part.add(tomlkit.comment(comment))
        for key, value in table[section].items():
            part.add(key, _item(value))
        document.add(tomlkit.nl())
        document.add(section, part)
    return tomlkit.dumps(document)


def _item(value: object) -> tomlkit.items.Item:
    item = tomlkit.item(value)
    if isinstance(item, tomlkit.items.Array):
        item.multiline(multiline=len(item.as_string()) > 80)
    return item


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
