"""What of our environment an agent gets."""

import os

import msgspec
import pytest

from signedin.model.redact import _KnownValues, redact
from signedin.providers.shared.environment import child_environment, learn_secrets, vendor_variables


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for variables in vendor_variables().values():
        for name in variables.credentials:
            monkeypatch.setenv(name, "key")
    monkeypatch.setenv("PATH", "/bin")


@pytest.mark.parametrize("vendor", ["codex", "claude", "gemini"])
def test_minimal_keeps_other_vendors_keys_away(vendor: str) -> None:
    env = child_environment(vendor, "minimal", {"PYTEST_CURRENT_TEST": None})
    assert set(env) == {"PATH", *vendor_variables()[vendor].credentials}


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


def test_no_variable_has_two_places() -> None:
    tables = [msgspec.structs.astuple(variables) for variables in vendor_variables().values()]
    names = [name for table in tables for role in table for name in role]
    assert len(names) == len(set(names))


def test_what_leads_to_a_key_or_may_hold_one_reaches_no_other_vendor() -> None:
    env = child_environment("codex", "minimal", {})
    assert not {"ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_IDENTITY_TOKEN_FILE", "HF_TOKEN"} & set(env)


def test_what_the_work_needs_reaches_every_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"]
    for name in kept:
        monkeypatch.setenv(name, "value")
    for vendor in ("codex", "claude", "gemini", "others"):
        assert set(kept) <= set(child_environment(vendor, "minimal", {}))


def secret_variables() -> list[str]:
    return [name for variables in vendor_variables().values() for name in variables.values]


@pytest.mark.parametrize("name", [*secret_variables(), "MY_TOKEN", "DB_PASSWORD", "ANY_API_KEY"])
@pytest.mark.parametrize("given", [True, False])
def test_the_values_of_secret_variables_are_masked(
    name: str, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.model.redact._KNOWN", _KnownValues())
    value = "0f1e2d3c4b5a69788796"
    if given:
        child_environment("codex", "minimal", {name: value})
    else:
        monkeypatch.setenv(name, value)
        child_environment("codex", "minimal", {})
    assert redact(f"Incorrect key: {value}.") == "Incorrect key: ***."


@pytest.mark.parametrize("name", ["ANTHROPIC_CUSTOM_HEADERS", "GEMINI_CLI_CUSTOM_HEADERS"])
@pytest.mark.parametrize("between", ["\n", ", "])
def test_the_keys_in_headers_are_masked(
    name: str, between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.model.redact._KNOWN", _KnownValues())
    headers = ["X-Team: people-of-the-team", "X-Gateway-Key: one-two-three"]
    learn_secrets({name: between.join(headers)})
    assert redact("people-of-the-team one-two-three") == "people-of-the-team ***"
