"""Prints the folders of `src/signedin` as levels, each importing only from those above it.

With a package as argument, its folders and files: ``import_graph.py signedin.providers.codex``.
Exits with 1 where there is a circle. Imports for type checkers alone do not count.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter

import click
import grimp


def imports(package: str) -> dict[str, set[str]]:
    """Returns what each child of a package imports of its siblings."""
    graph = grimp.build_graph("signedin", exclude_type_checking_imports=True)
    depth = package.count(".") + 1
    children: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        if not module.startswith(f"{package}."):
            continue
        child = module.split(".")[depth]
        found = graph.find_modules_directly_imported_by(module)
        siblings = {name.split(".")[depth] for name in found if name.startswith(f"{package}.")}
        children.setdefault(child, set()).update(siblings - {child})
    return children


@click.command()
@click.argument("package", default="signedin")
def main(package: str) -> None:
    """Prints the levels of a package."""
    children = imports(package)
    arrows = sum(len(found) for found in children.values())
    sorter = TopologicalSorter(children)
    try:
        sorter.prepare()
    except CycleError as error:
        print(f"{package}: a circle, {' -> '.join(error.args[1])}")
        sys.exit(1)
    levels: list[list[str]] = []
    while sorter.is_active():
        levels.append(sorted(sorter.get_ready()))
        sorter.done(*levels[-1])
    print(f"{package}: {len(children)} nodes on {len(levels)} levels, {arrows} arrows, no circle")
    for number, level in enumerate(levels):
        print(f"  {number}  {'  '.join(level)}")


if __name__ == "__main__":
    main()
