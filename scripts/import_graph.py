"""Prints the folders of `src/signedin` as levels, each importing only from those above it.

With a package as argument, its folders and files: ``import_graph.py signedin.providers.codex``.
Exits with 1 where there is a circle. Imports for type checkers alone do not count. ``--draw`` draws
docs/pictures/layers.svg; an import that a longer way of arrows shows has no arrow of its own.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import click
import grimp

PACKAGE = Path(__file__).parent.parent / "src" / "signedin"
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "layers.svg"
Graph = dict[str, set[str]]

WIDTH, BOX, ROW, HEIGHT = 720, 96, 72, 30
"""Of the picture, of a box and from row to row, of a box."""


def imports(package: str) -> Graph:
    """Returns what each child of a package imports of its siblings."""
    graph = grimp.build_graph("signedin", exclude_type_checking_imports=True)
    depth = package.count(".") + 1
    children: Graph = {}
    for module in sorted(graph.modules):
        if not module.startswith(f"{package}."):
            continue
        child = module.split(".")[depth]
        found = graph.find_modules_directly_imported_by(module)
        siblings = {name.split(".")[depth] for name in found if name.startswith(f"{package}.")}
        children.setdefault(child, set()).update(siblings - {child})
    return children


def levels_of(children: Graph) -> list[list[str]]:
    """Returns the levels, those that import nothing first.

    Raises:
        CycleError: There is a circle.
    """
    sorter = TopologicalSorter(children)
    sorter.prepare()
    levels: list[list[str]] = []
    while sorter.is_active():
        levels.append(sorted(sorter.get_ready()))
        sorter.done(*levels[-1])
    return levels


def picture() -> str:
    """Draws the folders of signedin: the callers at the top, the shortest arrows only."""
    children = imports("signedin")
    folders = {name for name in children if (PACKAGE / name).is_dir()}
    return drawn({name: children[name] & folders for name in folders})


def drawn(children: Graph) -> str:
    """Returns levels as a picture."""
    levels = levels_of(children)[::-1]
    places = {
        name: (WIDTH * (2 * column + 1) // (2 * len(level)), ROW * row + HEIGHT)
        for row, level in enumerate(levels)
        for column, name in enumerate(level)
    }
    arrows = [_arrow(places[one], places[other]) for one, other in _shortest(children, levels)]
    boxes = [_box(name, *place) for name, place in places.items()]
    lines = "\n".join([*arrows, *boxes])
    return f"""\
<svg viewBox="0 0 {WIDTH} {ROW * len(levels)}" xmlns="http://www.w3.org/2000/svg">
<style>text {{ font: 14px sans-serif; text-anchor: middle; fill: #222 }}</style>
<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0L8 4L0 8z" fill="#789"/></marker></defs>
{lines}
</svg>
"""


def _shortest(children: Graph, levels: list[list[str]]) -> list[tuple[str, str]]:
    """The imports that no way over other folders shows."""
    below: Graph = {}
    for level in levels[::-1]:
        for name in level:
            below[name] = set().union(*(below[each] | {each} for each in children[name]))
    return [
        (name, each)
        for level in levels
        for name in level
        for each in sorted(children[name])
        if not any(each in below[other] for other in children[name])
    ]


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """A line to the next row, and past rows between a bow around their boxes."""
    half = HEIGHT // 2
    bow = 2 * BOX if end[1] - start[1] > ROW else 0
    middle = f"{(start[0] + end[0]) // 2 + bow} {(start[1] + end[1]) // 2}"
    way = f"M{start[0]} {start[1] + half}Q{middle} {end[0]} {end[1] - half}"
    return f'<path d="{way}" fill="none" stroke="#789" marker-end="url(#end)"/>'


def _box(name: str, x: int, y: int) -> str:
    return (
        f'<rect x="{x - BOX // 2}" y="{y - HEIGHT // 2}" width="{BOX}" height="{HEIGHT}" rx="4" '
        f'fill="#eef3f7" stroke="#789"/><text x="{x}" y="{y + 5}">{name}</text>'
    )


@click.command()
@click.argument("package", default="signedin")
@click.option("--draw", is_flag=True, help="Draw the picture of the folders instead.")
def main(package: str, *, draw: bool) -> None:
    """Prints the levels of a package."""
    if draw:
        PICTURE.write_text(picture(), "utf-8")
        return
    children = imports(package)
    try:
        levels = levels_of(children)
    except CycleError as error:
        print(f"{package}: a circle, {' -> '.join(error.args[1])}")
        sys.exit(1)
    arrows = sum(len(found) for found in children.values())
    print(f"{package}: {len(children)} nodes on {len(levels)} levels, {arrows} arrows, no circle")
    for number, level in enumerate(levels):
        print(f"  {number}  {'  '.join(level)}")


if __name__ == "__main__":
    main()
