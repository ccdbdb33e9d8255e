"""The API reference has every public name."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
PUBLIC_NAMES = ROOT / "tests" / "unit" / "core" / "public_names.txt"
MODULES = {"signedin.otel"}
"""Names that are modules have pages of their own."""


def test_every_public_name_is_on_the_page_of_its_module():
    listed = [line.split(": ") for line in PUBLIC_NAMES.read_text(encoding="utf-8").splitlines()]
    expected = {f"{module}.{name}" for module, name in listed} - MODULES
    pages = (ROOT / "docs" / "api").glob("*.md")
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    assert sorted(line[4:] for line in lines if line.startswith("::: ")) == sorted(expected)
