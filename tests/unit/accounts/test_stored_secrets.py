"""Which files are looked into for tokens that must not be in a cassette."""

import json
from pathlib import Path

import pytest

from signedin.accounts.stored_secrets import stored_secrets


@pytest.mark.parametrize("account", ["", "accounts/work/"])
@pytest.mark.parametrize(
    "name",
    ["chatgpt/{}login.json", "claude/{}.credentials.json", "gemini/{}.gemini/oauth_creds.json"],
)
def test_the_tokens_of_every_isolated_login_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, account: str
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    login = tmp_path / name.format(account)
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps({"refresh_token": "planted-0123456789"}))
    assert "planted-0123456789" in stored_secrets()
