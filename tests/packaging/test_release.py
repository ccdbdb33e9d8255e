"""What a release is refused for before anything is built."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    spec = importlib.util.spec_from_file_location("check_release", SCRIPTS / "check_release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PROJECT", {"name": "signedin", "version": "1.2.0"})
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").touch()
    (tmp_path / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.2.0 (2026-12-01)\n")
    return module


def test_tag_version_and_changelog_agree(script: ModuleType) -> None:
    script.check_changelog("v1.2.0")


def test_a_tag_of_another_version_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit) as refused:
        script.check_changelog("v1.2.1")
    assert refused.value.code == "the tag is v1.2.1, but pyproject.toml has version 1.2.0"


def test_a_version_that_the_changelog_does_not_have_is_refused(script: ModuleType) -> None:
    (script.ROOT / "CHANGELOG.md").write_text("## Unreleased\n\n## 1.1.0 (2026-11-01)\n")
    with pytest.raises(SystemExit) as refused:
        script.check_changelog("v1.2.0")
    assert refused.value.code == (
        "CHANGELOG.md has no 1.2.0; run: build/tools/bin/towncrier build --version 1.2.0"
    )


def test_a_change_that_is_not_in_the_changelog_is_refused(script: ModuleType) -> None:
    (script.ROOT / "changes" / "+words.fixed.md").touch()
    (script.ROOT / "changes" / "18.added.md").touch()
    with pytest.raises(SystemExit) as refused:
        script.check_changelog("v1.2.0")
    assert refused.value.code == "not in CHANGELOG.md: changes/+words.fixed.md, changes/18.added.md"


def test_a_release_needs_every_python(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "VERSIONS", ("3.1", script.version_of(sys.executable)))
    with pytest.raises(SystemExit) as refused:
        script.interpreters("v1.2.0")
    assert refused.value.code == "not on this machine: Python 3.1"
    [found] = script.interpreters(None)
    assert script.version_of(found) == script.version_of(sys.executable)
    assert "not on this machine: Python 3.1; the wheel is not tried with it" in (
        capsys.readouterr().out
    )
