"""The examples of signing in to ChatGPT do what their page says."""

import re
from pathlib import Path

import pytest

from signedin.loopback import LoopbackIssuer
from signedin.providers.chatgpt.sign_in import profiles
from support.chatgpt_account import profile_at

PAGE = Path(__file__).parents[3] / "docs" / "chatgpt.md"
SECTION = re.compile(r"^## Signing in\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_sign_in(
    issuer: LoopbackIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    for name in list(profiles.PROFILES):
        monkeypatch.setitem(profiles.PROFILES, name, profile_at(issuer.url, name))
    shown: list[str] = []

    def show(*words: object) -> None:
        """Does what the reader does who is shown something."""
        shown.append(" ".join(map(str, words)))
        for word in map(str, words):
            if word.startswith(f"{issuer.url}/api/accounts/authorize?"):
                assert issuer.visit(word) == 200
            if re.fullmatch(r"[0-9A-F]{4}-[0-9A-F]{4}", word):
                issuer.approve_device(word)

    [section] = SECTION.findall(PAGE.read_text("utf-8"))
    browser, device = EXAMPLE.findall(section)
    exec(compile(browser, str(PAGE), "exec"), {"print": show})
    assert shown.pop() == "user@example.com pro subscription"
    exec(compile(device, str(PAGE), "exec"), {"print": show})
    assert shown[-1].startswith(f"Open {issuer.url}/codex/device and type ")
    assert (tmp_path / "chatgpt" / "login.json").is_file()
    assert (tmp_path / "chatgpt" / "accounts" / "headless" / "login.json").is_file()
