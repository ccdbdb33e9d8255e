"""The examples of the guide, run by somebody who is signed in, against a scripted backend."""

import asyncio
import re
from pathlib import Path

import pytest

from signedin.loopback import LoopbackIssuer, LoopbackModel, Rule, Script, ToolCall
from signedin.providers.chatgpt.sign_in import profiles
from signedin.providers.chatgpt.sign_in.profiles import SIWC, relocated
from support.chatgpt_account import SignedInUser

PAGE = Path(__file__).parents[3] / "docs" / "chatgpt.md"
ELSEWHERE = re.compile(r"^## Signing in\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
"""Sections whose examples are run by the tests of signing in and of the plug-in for axio."""
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SCRIPT = Script(
    "Certainly.",
    [
        Rule(
            [
                [ToolCall("population", {"city": city}) for city in ("Oslo", "Bergen")],
                '{"larger": "Oslo", "difference": 423681}',
            ],
            contains="Which is larger",
        )
    ],
)


def test_the_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    with LoopbackIssuer() as issuer, LoopbackModel(SCRIPT) as model:
        profile = relocated(SIWC, issuer.url, f"{model.url}/backend-api/codex")
        monkeypatch.setitem(profiles.PROFILES, "siwc", profile)
        asyncio.run(SignedInUser(issuer, None, profile).sign_in())
        examples = EXAMPLE.findall(ELSEWHERE.sub("", PAGE.read_text("utf-8")))
        for example in examples:
            exec(compile(example, str(PAGE), "exec"), {"__name__": "__main__"})
    assert len(examples) == 4
    said = capsys.readouterr().out
    assert "Oslo 423681" in said
    assert said.startswith("Certainly.\nCertainly.Oslo")
    assert "3 items" in said
