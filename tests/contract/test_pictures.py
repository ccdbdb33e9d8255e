"""The pictures of the documentation show what the program does now."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from signedin.loopback import LoopbackModel
from support.program import PROGRAM, environment, run_with
from support.terminal import Terminal

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "make_pictures.py"
COMMITTED = ROOT / "docs" / "pictures"
NAMES = ["run.svg", "transcript.svg"]
XMLNS = re.compile(r' xmlns="http://www\.w3\.org/[^"]*"')
ELSEWHERE = re.compile(r"https?:|//|@import|@font-face|url\((?!#)|<script|href")


def texts(picture: Path) -> list[str]:
    """What can be read in a picture, line by line; where it stands is left to rich."""
    root = ET.fromstring(picture.read_text(encoding="utf-8"))
    for parent in root.iter():
        for style in [child for child in parent if child.tag.endswith("style")]:
            parent.remove(style)
    text = "".join(root.itertext()).replace("\xa0", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    done = subprocess.run(
        [sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pictures", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_current(name: str, made: Path) -> None:
    assert texts(made / name) == texts(COMMITTED / name), "run: make pictures"


@pytest.mark.parametrize("name", NAMES)
def test_pictures_load_nothing(name: str) -> None:
    assert not ELSEWHERE.search(XMLNS.sub("", (COMMITTED / name).read_text(encoding="utf-8")))


def varying(line: str) -> str:
    """A line without what differs from run to run, and without blanks: a picture has few."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+\.\ds", "…", "".join(line.split()))


def test_the_picture_of_a_run_is_what_a_terminal_shows(tmp_path: Path, script: ModuleType) -> None:
    for file, content in script.FILES.items():
        (tmp_path / file).write_text(content)
    with LoopbackModel(script.script(tmp_path)) as model:
        arguments = run_with(model, "--stream", *script.FLAG.split(), script.PROMPT)
        argv = [PROGRAM, *arguments]
        with Terminal(argv, env=environment(), cwd=tmp_path, columns=script.COLUMNS) as terminal:
            assert terminal.wait() == 0
            shown = [line.strip() for line in terminal.lines if line.strip()]
    title, command, *drawn = texts(COMMITTED / "run.svg")
    assert (title, command) == ("signedin run", f'$ signedin run {script.FLAG} "{script.PROMPT}"')
    assert list(map(varying, shown)) == list(map(varying, drawn))
