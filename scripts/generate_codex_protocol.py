"""Writes the types of `signedin.providers.codex.protocol` from the schema a codex binary prints.

    python scripts/generate_codex_protocol.py                   write them anew
    python scripts/generate_codex_protocol.py --check           fail if that would change anything
    python scripts/generate_codex_protocol.py --diff BINARY     what another codex moves;
                                                                fail if it breaks these types

Everything is taken from the binary of the installed `codex` extra unless --binary names another.
What is generated is chosen in scripts/codex_protocol_surface.toml.
"""

import argparse
import sys
from pathlib import Path

from codex_cli_bin import bundled_codex_path

from codex_protocol.build import build
from codex_protocol.compare import breaks, changes, read_declarations
from codex_protocol.render import HAND_WRITTEN, formatted, render
from codex_protocol.schema import GenerationError, Protocol, Surface, load

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src/signedin/providers/codex/protocol"
COMMAND = "python scripts/generate_codex_protocol.py"


def main() -> int:
    """Runs the command line; the exit code is 1 if there is something to do."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, help="the codex to generate from")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare, write nothing")
    action.add_argument("--diff", type=Path, metavar="BINARY", help="say what BINARY moves")
    arguments = parser.parse_args()
    binary: Path = arguments.binary or bundled_codex_path()
    try:
        if arguments.diff:
            return diff(load(binary), load(arguments.diff))
        model = build(load(binary), Surface.load())
    except GenerationError as error:
        print(error, file=sys.stderr)
        return 1
    if model.missing:
        print(f"{model.version} does not have: {', '.join(model.missing)}", file=sys.stderr)
        print("Take them out of scripts/codex_protocol_surface.toml.", file=sys.stderr)
        return 1
    files = formatted(render(model), PACKAGE)
    return check(files) if arguments.check else write(files)


def write(files: dict[str, str]) -> int:
    """Replaces the generated files."""
    for path in _stale(files):
        path.unlink()
    for name, text in files.items():
        (PACKAGE / name).write_text(text, encoding="utf-8")
    print(f"{len(files)} files written to {PACKAGE.relative_to(ROOT)}")
    return 0


def check(files: dict[str, str]) -> int:
    """Compares the generated files with those on disk."""
    committed = _committed()
    if committed == files:
        return 0
    print("The protocol types are not what this codex and this surface file say:")
    _print(changes(read_declarations(committed), read_declarations(files)))
    differing = sorted(
        {name for name in files if committed.get(name) != files[name]} | {*committed} - {*files}
    )
    print(f"Files that differ: {', '.join(differing)}")
    print(f"Run: {COMMAND}")
    return 1


def diff(ours: Protocol, theirs: Protocol) -> int:
    """Says what `theirs` moves, and fails if types made from `ours` cannot be used with it."""
    print(f"From {ours.version} to {theirs.version}")
    for kind in ("requests", "notifications", "server_requests"):
        old, new = getattr(ours, kind), getattr(theirs, kind)
        lines = [f"+ {method}" for method in sorted(new.keys() - old.keys())]
        lines += [f"- {method}" for method in sorted(old.keys() - new.keys())]
        _print(lines, title=kind.replace("_", " "))
    surface = Surface.load()
    old_model, new_model = build(ours, surface), build(theirs, surface)
    old_types, new_types = (read_declarations(render(m)) for m in (old_model, new_model))
    _print(changes(old_types, new_types), title="types")
    broken = breaks(old_model, new_model)
    _print(broken, title="breaks")
    return 1 if broken else 0


def _committed() -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.glob("*.py"))
        if path.name not in HAND_WRITTEN
    }


def _stale(files: dict[str, str]) -> list[Path]:
    return [PACKAGE / name for name in _committed() if name not in files]


def _print(lines: list[str], title: str = "") -> None:
    if title:
        print(f"{title}: {len(lines) or 'nothing'}")
    for line in lines:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
