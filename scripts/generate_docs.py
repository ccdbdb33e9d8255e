"""Writes the parts of the documentation that the program itself knows best.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. With ``--check``
nothing is written, and the exit code says whether anything would have been.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import click

from signedin.cli.app import COMMANDS, load
from signedin.cli.errors import EXIT_CODES
from signedin.cli.interactive.commands import COMMANDS as SLASH_COMMANDS
from signedin.model.capabilities import Capabilities
from signedin.providers.acp.catalogue import AGENTS
from signedin.providers.base import ProviderSpec
from signedin.providers.chatgpt.options import ChatGPTKeys
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.claude.keys import ClaudeKeys
from signedin.providers.codex.options import CodexKeys
from signedin.providers.gemini.options import GeminiKeys
from signedin.providers.registry import BUILT_IN, load_provider
from signedin.providers.shared.instructions import INSTRUCTIONS
from signedin.providers.shared.provider_options import ProviderOptions
from signedin.safety.sandbox.places import GROUPS

ROOT = Path(__file__).parent.parent
PUBLIC_NAMES = ROOT / "tests" / "unit" / "core" / "public_names.txt"
API = sorted(page.stem for page in (ROOT / "docs" / "api").glob("*.md"))
"""The modules that have a page of their names."""
_KEPT = re.compile(r"\x08\n(.+(?:\n.+)*)")
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
_HEADING = re.compile(r"^##? (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PART = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def commands() -> str:
    """Returns a section per command: how it is called, what it does, its options."""
    return "\n".join(
        _group(name, command) if isinstance(command, click.Group) else _command(name, command)
        for name in COMMANDS
        for command in [load(name)]
    )


def start() -> str:
    """Returns what README.md begins with, up to its links, as the site links to its pages."""
    readme, _, _ = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Read on")
    return readme.replace("](docs/", "](")


def exit_codes() -> str:
    """Returns a table of the exit codes."""
    rows = [f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items()]
    return "\n| code | meaning |\n|---|---|\n" + "".join(rows) + "\n"


def providers() -> str:
    """Returns a table of the providers: how each is driven, installed and signed in to."""
    rows = [
        (
            f"`{name}`",
            ", ".join(f"`{transport}`" for transport in spec.transports),
            _code(spec.install),
            _code(spec.login),
        )
        for name, spec in _providers()
    ]
    return _table(("provider", "transports, the default first", "install", "sign in"), rows)


def capabilities() -> str:
    """Returns a table of what can be done through each transport."""
    able = [(name, able) for _, spec in _providers() for name, able in spec.transports.items()]
    meanings = re.findall(
        r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", inspect.getdoc(Capabilities) or "", re.MULTILINE
    )
    rows = [
        (
            f"`{field}`",
            re.sub(r"\s+", " ", meaning).replace("``", "`"),
            *("yes" if getattr(can, field) else "no" for _, can in able),
        )
        for field, meaning in meanings
    ]
    heads = [f"`{name}`" for name, _ in able]
    return _table(("", "", *heads), rows)


def quirks() -> str:
    """Returns what users should know of each provider."""
    told = [(name, quirk) for name, spec in _providers(agents=True) for quirk in spec.quirks]
    return "\n" + "".join(f"- `{name}`: {quirk}.\n" for name, quirk in told) + "\n"


def agents() -> str:
    """Returns a table of the agents that are known to speak ACP."""
    rows = [
        (
            f"`acp:{name}`",
            f"`{' '.join(agent.command)}`",
            _code(agent.install),
            _code(agent.login),
            agent.tried,
        )
        for name, agent in AGENTS.items()
    ]
    return _table(("provider", "starts", "install", "sign in", "tried with"), rows)


def slash_commands() -> str:
    """Returns a table of what can be entered with a slash."""
    rows: list[str] = []
    for command in SLASH_COMMANDS:
        names = ", ".join(f"`{name}`" for name in (command.name, *command.aliases))
        arguments = command.arguments.replace("|", "\\|")
        arguments = f" `{arguments}`" if arguments else ""
        rows.append(f"| {names}{arguments} | {command.help} |\n")
    return "\n| | |\n|---|---|\n" + "".join(rows) + "\n"


def provider_options(keys: type[ProviderOptions]) -> str:
    """Returns a table of the keys of ``provider_options`` that a struct adds to its base."""
    meanings = dict(_ATTRIBUTE.findall(inspect.getdoc(keys) or ""))
    rows = [(f"`{name}`", _prose(meanings[name])) for name in keys.__annotations__]
    return _table(("key", "meaning"), rows)


def doors() -> str:
    """Returns what comes of each keyword at each door, as the tests declare and measure it."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    return import_module("contract.doors.page").page()


def places() -> str:
    """Returns a table of what a confined agent cannot read."""
    rows = [
        [
            group,
            place.whose,
            ", ".join(f"`{path}`" for path in place.paths),
            ", ".join(f"`{name}`" for names in place.moved.values() for name in names.split()),
        ]
        for group, found in GROUPS.items()
        for place in found
    ]
    return _table(["", "whose", "places", "variables"], rows)


def names(module: str) -> str:
    """Returns a section for each public name of a module; the site adds its docstring."""
    listed = [line.split(": ") for line in PUBLIC_NAMES.read_text(encoding="utf-8").splitlines()]
    found = [name for home, name in listed if home == module and f"{home}.{name}" not in API]
    return "\n" + "".join(f"::: {module}.{name}\n\n" for name in found)


def instructions() -> str:
    """Returns a row for each agent of which the instruction files are known."""
    rows = [
        (
            f"`{agent}`",
            ", ".join(map(_code, files.names))
            + (f", else {_code(files.instead)}" if files.instead else ""),
            files.read_by,
            _code(files.left_out) if files.left_out else "-",
        )
        for agent, files in INSTRUCTIONS.items()
    ]
    return _table(("provider", "files", "read by", "left out otherwise"), rows)


def pages() -> str:
    """Returns a line for each page of the site, with what it is about, for language models."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    return "\n" + "".join(_section("", site["project"]["nav"])) + "\n"


def _section(title: str, entries: Sequence[object]) -> Iterator[str]:
    if title:
        yield f"\n## {title}\n\n"
    for entry in entries:
        [(name, inner)] = entry.items() if isinstance(entry, dict) else [("", entry)]
        if isinstance(inner, str):
            yield _page(inner)
        elif name != "Decisions":
            yield from _section(name, inner)


def _page(name: str) -> str:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    title, *sections = _HEADING.findall(_FENCED.sub("", text))
    about = f": {'; '.join(sections)}" if sections else ""
    return f"- [{title}]({name.removesuffix('.md')}.html){about}\n"


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "docs/chatgpt.md": {
        "sign-in-options": partial(provider_options, SignInSettings),
        "provider-options": partial(provider_options, ChatGPTKeys),
    },
    "docs/claude.md": {"provider-options": partial(provider_options, ClaudeKeys)},
    "docs/cli.md": {"commands": commands, "exit-codes": exit_codes},
    "docs/doors.md": {"doors": doors},
    "docs/gemini.md": {"provider-options": partial(provider_options, GeminiKeys)},
    "docs/index.md": {"start": start},
    "docs/interactive.md": {"slash-commands": slash_commands},
    "docs/llms.txt": {"pages": pages},
    "docs/providers.md": {
        "providers": providers,
        "capabilities": capabilities,
        "quirks": quirks,
        "codex-options": partial(provider_options, CodexKeys),
        "agents": agents,
        "instructions": instructions,
    },
    "docs/sandbox.md": {"places": places},
    **{f"docs/api/{module}.md": {"names": partial(names, module)} for module in API},
}
"""Each file with generated parts, and what writes them."""


def regenerated(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Returns a document with its generated parts written anew.

    Raises:
        KeyError: It has a part that nothing writes.
        ValueError: It lacks a part.
    """
    found = [match["name"] for match in _PART.finditer(text)]
    if sorted(found) != sorted(parts):
        raise ValueError(f"the document has the parts {found}, not {list(parts)}")
    return _PART.sub(lambda match: match[1] + parts[match["name"]]() + match[3], text)


def main() -> int:
    """Writes all documents anew, or checks that they are up to date."""
    is_check = sys.argv[1:] == ["--check"]
    outdated = 0
    for name, parts in PARTS.items():
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        after = regenerated(before, parts)
        if before == after:
            continue
        outdated += 1
        if is_check:
            print(f"{name} is out of date; run: python scripts/generate_docs.py", file=sys.stderr)
        else:
            path.write_text(after, encoding="utf-8")
            print(f"wrote {name}")
    return int(is_check and outdated > 0)


def _providers(*, agents: bool = False) -> list[tuple[str, ProviderSpec]]:
    names = [*BUILT_IN, *(f"acp:{name}" for name in AGENTS if agents)]
    return [(name, load_provider(name)) for name in names]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _prose(text: str) -> str:
    """Returns a part of a docstring in one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def _code(command: str) -> str:
    """A command as code, unless it is told in words that have code in them or are none."""
    return command if "`" in command or command.startswith("see ") else f"`{command}`"


def _group(name: str, group: click.Group) -> str:
    """The section of a command that has commands of its own, and theirs."""
    sections = (_command(f"{name} {each}", command) for each, command in group.commands.items())
    return "\n".join(
        [f"\n### signedin {name}\n\n{inspect.cleandoc(group.help or '')}\n", *sections]
    )


def _command(name: str, command: click.Command) -> str:
    """The section of one command."""
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    usage = " ".join(["signedin", name, "[OPTIONS]", *map(_metavar, arguments)])
    # Lines that the help keeps as they are become a block.
    text = _KEPT.sub(r"```\n\1\n```", inspect.cleandoc(command.help or ""))
    lines = [f"\n### signedin {name}\n", f"\n    {usage}\n", f"\n{text}\n"]
    rows = [f"| `{_metavar(each)}` | {each.help} |\n" for each in arguments]
    return "".join([*lines, "\n| | |\n|---|---|\n", *rows, *map(_option_row, options)])


def _option_row(option: click.Option) -> str:
    value = "" if option.is_flag else f" {_metavar(option)}"
    spelled = ", ".join(f"`{flag}{value}`" for flag in (*option.opts, *option.secondary_opts))
    default = option.to_info_dict()["default"]
    note = f" Default: `{default}`." if default not in {None, False} else ""
    return f"| {spelled} | {option.help}{note} |\n"


def _metavar(parameter: click.Parameter) -> str:
    if parameter.metavar is not None:
        return parameter.metavar
    if isinstance(parameter.type, click.Choice):
        return f"{{{','.join(parameter.type.choices)}}}"
    if isinstance(parameter, click.Option):
        raise TypeError(f"{parameter.name} has no choices; give it a metavar")
    name = parameter.name.upper()
    return name if parameter.required else f"[{name}]"


if __name__ == "__main__":
    sys.exit(main())
