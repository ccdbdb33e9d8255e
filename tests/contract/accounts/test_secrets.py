"""Planted secrets are looked for in everything that a turn leaves behind."""

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from signedin import Client, SignedinError
from signedin.loopback import HttpError, LoopbackModel, ModelRequest, Reply
from signedin.loopback.issuer import LoopbackIssuer
from support import codex_home
from support.processes import command_of, processes_with

STRAY = "sk-proj-stray-key-9876543210"
GIVEN = "sk-proj-given-key-1234567890"


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "external"
    monkeypatch.setenv("CODEX_HOME", str(home))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    monkeypatch.setenv("CODEX_API_KEY", STRAY)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return home


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackIssuer]:
    with LoopbackIssuer() as issuer:
        for name, value in issuer.codex_env.items():
            monkeypatch.setenv(name, str(value))
        yield issuer


@pytest.mark.parametrize("transport", ["codex-app-server", "codex-exec"])
def test_no_secret_is_left_anywhere(
    external: Path,
    issuer: LoopbackIssuer,
    tmp_path: Path,
    transport: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    commands: list[str] = []
    answers: list[Reply | HttpError] = []

    def answer(request: ModelRequest) -> Reply | HttpError:
        commands.extend(word for pid in processes_with(external) for word in command_of(pid))
        return answers.pop(0)

    with LoopbackModel(answer) as model, caplog.at_level(logging.DEBUG):
        codex_home.configure(external, model, issuer)
        token = codex_home.sign_in(external, issuer)
        login = (external / "auth.json").read_bytes()
        secrets = [STRAY, GIVEN, token, *codex_home.tokens_in(login)]
        echo = HttpError(400, f"Incorrect API key provided: {token} or {STRAY}")
        answers += [Reply("Hello."), echo]
        with Client("codex", transport=transport, env={"GIVEN_API_KEY": GIVEN}) as client:
            result = client.run("hi")
            with pytest.raises(SignedinError) as raised:
                client.run("hi")
            status = client.auth_status()
            seen = [repr(client), repr(result), repr(status), repr(model.requests)]
    error = raised.value
    seen += [str(error), repr(error), "".join(traceback.format_exception(error)), caplog.text]
    events = (*result.events, *error.result.events)
    seen += [text for event in events for text in (repr(event), event.text)]
    seen += [msgspec.json.encode(event).decode() for event in result.events]
    seen += commands
    seen += [repr(issuer.requests), *capfd.readouterr()]
    own = [path for path in (tmp_path / "signedin").rglob("*") if path.is_file()]
    seen += [path.read_text(errors="replace") for path in own]
    assert commands
    assert "Incorrect API key provided: ***" in str(error)
    for secret in secrets:
        assert [text for text in seen if secret in text] == []
    assert (external / "auth.json").read_bytes() == login
