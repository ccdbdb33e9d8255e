"""What docs/architecture.md names and draws is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PLACES = re.findall(r"`([\w/]+\.py):([\w.]+)`", PAGE)


def names_in(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from names_in(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_place_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / "src" / "signedin" / file).read_text("utf-8"))
    assert name in set(names_in(tree.body))


@pytest.mark.parametrize(
    "sought",
    [
        "a keyword is declared",
        "a prompt is sent",
        "a delta becomes an event",
        "an approval is answered",
        "who pays is decided",
    ],
)
def test_a_stranger_finds(sought: str) -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| where {sought} |")]
    assert any(f"`{file}:{name}`" in row for file, name in PLACES)


def test_the_picture_shows_the_imports() -> None:
    script = run_path(str(ROOT / "scripts" / "import_graph.py"))
    assert script["picture"]() == script["PICTURE"].read_text("utf-8"), "run: make docs"


def test_every_folder_has_its_job() -> None:
    folders = {path.parent.name for path in (ROOT / "src" / "signedin").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)) == folders
