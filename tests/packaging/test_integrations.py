"""The versions of the programs that call signedin."""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_integrations.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_integrations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pins_are_what_is_tested(script: ModuleType) -> None:
    pins = script.pins()
    assert pins
    assert pins == {name: version(name) for name in pins}


def test_those_that_are_behind_are_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "pins", lambda: {"llm": "0.36", "nbclient": "0.11.0"})
    newest = {"llm": "0.37", "nbclient": "0.11.0"}
    monkeypatch.setattr(script, "newest_version", newest.__getitem__)
    assert script.main() == 1
    assert capsys.readouterr().out == "llm: tested with 0.36, newest is 0.37\n"
    newest["llm"] = "0.36"
    assert script.main() == 0
