"""Secrets are masked, and what only looks like one stays readable."""

import msgspec
import pytest
from hypothesis import example, given, strategies as st

from signedin import MessageEvent, RunResult, SignedinError, TransportClosedError
from signedin.redact import redact, redact_json

JWT = "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImEifQ.c2lnbmF0dXJl"

SECRETS = [
    "sk-proj-0123456789abcdefABCDEF",
    "sk-ant-api03-0123456789_abcdef-AA",
    "sk-ant-oat01-0123456789abcdef",
    "sk-svcacct-abcdefgh",
    "ghp_0123456789abcdef0123456789abcdef0123",
    "ghs_0123456789abcdef0123",
    "github_pat_0123456789_abcdefghij",
    "AIzaSyA0123456789abcdefghijklmnopqrstu",
    "ya29.a0AfB_0123456789",
    "1//0abcdefghijklmnopqrstuvw",
    "rt_0123456789abcdef.ghij",
    "at-0123456789abcdefABCD",
    "xoxb-0123456789-abcdef",
    JWT,
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "around", ["{}", "key {}.", '"{}"', "'{}'", "({})", "https://x/?k={}&y=1", "a={},b=2", "\n{}\n"]
)
def test_secrets_by_their_form(secret: str, around: str) -> None:
    masked = redact(around.format(secret))
    assert secret not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer ***"),
        ("authorization: basic dXNlcjpwYXNz0", "authorization: basic ***"),
        ("OPENAI_API_KEY=supersecret1", "OPENAI_API_KEY=***"),
        ("export MY_SECRET='supersecret1'", "export MY_SECRET='***'"),
        ('{"access_token": "opaque-value", "n": 1}', '{"access_token": "***", "n": 1}'),
        ("refresh_token=opaque-value&x=1", "refresh_token=***"),
        ("client_secret: opaque-value", "client_secret: ***"),
        ("password=hunter22", "password=***"),
        ("GITHUB_TOKEN: opaque-value\nnext", "GITHUB_TOKEN: ***\nnext"),
    ],
)
def test_secrets_by_their_name(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "codex exec --ask-for-approval never",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "thread 01a1fda5-77f3-73e0-bc59-8942ee3d8ba8",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "risk-assessment-of-the-project",
        "task-0123456789",
        "input_tokens=1234567 output_tokens: 7654321",
        "max_tokens=123456789",
        "the token is wrong",
        "Bearer of bad news",
        "basic understanding of things",
        "api_key=null, password: None, secret=true",
        "at-least-sixteen-characters",
        "model gpt-5.5, effort low",
        "https://platform.openai.com/account/api-keys",
        "password reset",
        "TOKEN=123456",
    ],
)
def test_what_is_no_secret(text: str) -> None:
    assert redact(text) == text


@given(st.text())
@example("sk-" + "a" * 5000)
@example("eyJ" + "a.b" * 2000)
@example("Bearer " * 1000)
def test_any_text(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.sampled_from(SECRETS), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_anywhere(secret: str, before: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")


def test_errors_reprs_and_results_are_masked() -> None:
    secret = SECRETS[0]
    error = TransportClosedError(f"failed with {secret}", stderr=f"key={secret}")
    for shown in (str(error), repr(error), error.message, error.stderr):
        assert secret not in shown
    assert str(SignedinError(f"{secret}!")) == "***!"
    event = MessageEvent(item_id="m", text=f"Your key is {secret}.")
    assert secret not in repr(event)
    assert event.text == f"Your key is {secret}."
    result = RunResult(
        provider="codex",
        transport="codex-exec",
        session_id=None,
        turn_id=None,
        model=None,
        cwd="/",
        text=f"Your key is {secret}.",
        output=None,
        events=(),
        usage=None,
        reason="completed",
        elapsed=1.0,
    )
    assert repr(result) == (
        "RunResult(codex/codex-exec, completed, 1.00 s, 0 events, text='Your key is ***.')"
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (b'{"a": "nothing", "n": 1e-7}', b'{"a": "nothing", "n": 1e-7}'),
        (b'{"m": "key sk-proj-0123456789", "n": 1}', b'{"m":"key ***","n":1}'),
        (b'[{"api_key": "opaque-value"}]', b'[{"api_key":"***"}]'),
        (
            rb'{"body": "{\"api_key\": \"opaque-value\"}\nAPI_KEY=opaque-value\nend"}',
            rb'{"body":"{\"api_key\": \"***\"}\nAPI_KEY=***\nend"}',
        ),
        (b'{"thread": "01a1fda5-77f3-73e0-bc59-8942ee3d8ba8"}',) * 2,
    ],
)
def test_secrets_in_json(text: bytes, masked: bytes) -> None:
    assert redact_json(text) == masked


@given(text=st.recursive(st.text() | st.integers(-9, 9), st.lists))
def test_json_stays_json(text: object) -> None:
    decoded = msgspec.json.decode(redact_json(msgspec.json.encode([text, JWT])))
    assert decoded[1] == "***"
