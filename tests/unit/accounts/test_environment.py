"""What of our environment an agent gets."""

import os

import pytest

from signedin.accounts.environment import CREDENTIALS, child_environment


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for names in CREDENTIALS.values():
        for name in names:
            monkeypatch.setenv(name, "key")
    monkeypatch.setenv("PATH", "/bin")


@pytest.mark.parametrize("vendor", ["codex", "claude", "gemini"])
def test_minimal_keeps_other_vendors_keys_away(vendor: str) -> None:
    env = child_environment(vendor, "minimal", {"PYTEST_CURRENT_TEST": None})
    assert set(env) == {"PATH", *CREDENTIALS[vendor]}


def test_inherit_keeps_nothing_away() -> None:
    assert child_environment("codex", "inherit", {}) == dict(os.environ)


@pytest.mark.parametrize("policy", ["minimal", "inherit"])
def test_changes_go_before_everything(policy: str) -> None:
    changes = {"ANTHROPIC_API_KEY": "on purpose", "OPENAI_API_KEY": None, "NEW": "x", "NONE": None}
    env = child_environment("codex", policy, changes)
    assert env["ANTHROPIC_API_KEY"] == "on purpose"
    assert env["NEW"] == "x"
    assert "OPENAI_API_KEY" not in env
    assert "NONE" not in env
    assert os.environ["OPENAI_API_KEY"] == "key"


def test_the_environment_itself_is_not_given_away() -> None:
    child_environment("codex", "inherit", {})["PATH"] = "changed"
    assert os.environ["PATH"] == "/bin"


def test_no_variable_belongs_to_two_vendors() -> None:
    names = [name for names in CREDENTIALS.values() for name in names]
    assert len(names) == len(set(names))
