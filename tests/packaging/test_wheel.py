"""What is handed out."""

import re
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = {
    "batch",
    "chatgpt",
    "claude",
    "cli",
    "codex",
    "gemini",
    "keyring",
    "loopback",
    "otel",
    "policy",
    "prices",
    "schema",
    "tools",
    "zstd",
}


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_file)


def test_the_wheel_has_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"signedin", next(top for top in tops if top.endswith(".dist-info"))}
    shipped = {name for name in names if name.startswith("signedin/")}
    source = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "signedin").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == source
    assert "signedin/py.typed" in shipped
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_links_and_pictures_of_the_description_are_those_of_the_source(
    wheel: zipfile.ZipFile,
) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    urls = dict(each.split(", ") for each in metadata.get_all("Project-URL") or ())
    found = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", metadata.get_payload())
    assert {picture for picture, _ in found} == {"", "!"}
    for picture, address in found:
        kind = "raw" if picture else "blob"
        base = f"{urls['Source']}/{kind}/v{metadata['Version']}/"
        assert address.startswith(base)
        assert (ROOT / address.removeprefix(base).partition("#")[0]).exists()


def test_the_metadata(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    extras = set(metadata.get_all("Provides-Extra") or ())
    assert extras == EXTRAS | {"axio", "llm", "notebook", "pydantic-ai", "all"}
    needed = [each.split("; extra == ") for each in metadata.get_all("Requires-Dist") or ()]
    of_all = {library for library, *extra in needed if extra == ["'all'"]}
    assert of_all == {library for library, *extra in needed if extra and extra[0][1:-1] in EXTRAS}
    [points] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    entries = wheel.read(points).decode()
    assert "signedin = signedin.cli:main" in entries
    assert "[axio.transport]\nsignedin = signedin.integrations.axio:SignedInTransport\n" in entries
    assert "[llm]\nsignedin = signedin.integrations.llm\n" in entries
    screen = "signedin.integrations.axio:SignInScreen"
    assert f"[axio.transport.settings]\nsignedin = {screen}\n" in entries
