"""Secrets are masked, and what only looks like one stays readable."""

import json
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import example, given, strategies as st

from signedin import (
    DoneEvent,
    McpServer,
    MessageEvent,
    OtherEvent,
    RunResult,
    SessionEvent,
    SignedinError,
    TransportClosedError,
)
from signedin.model.options import TurnOptions
from signedin.model.redact import (
    LARGEST_JSON,
    LONGEST_MESSAGE,
    _KnownValues,
    know,
    know_headers,
    know_variables,
    redact,
    redact_json,
)
from signedin.model.turn_recorder import TurnRecorder

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAK\nj34GkxFhD9+/=\n-----END RSA PRIVATE KEY-----"
)
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
    "sk-or-v1-0123456789abcdef",
    "csk-0123456789abcdefghij",
    "gsk_0123456789abcdefghij",
    "xai-0123456789abcdefghij",
    "pplx-0123456789abcdefghij",
    "fw_0123456789abcdefghij",
    "hf_abcdefghijklmnopqrstuvwxyzabcdefgh",
    "glpat-0123456789_abcdefghi",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "nvapi-0123456789-abcdefghij",
    "r8_0123456789abcdefghij",
    "tgp_v1_0123456789abcdefghij",
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
        ("agent --api-key opaque-value --json", "agent --api-key *** --json"),
        ("agent --api-key=opaque-value --json", "agent --api-key=*** --json"),
        ("X-Api-Key: opaque-value", "X-Api-Key: ***"),
        ('{"apiKey": "opaque-value"}', '{"apiKey": "***"}'),
        (r"{\"accessToken\": \"opaque-value\"}", r'{\"accessToken\": \"***"}'),
        ('{"password": "correct horse battery"}', '{"password": "***"}'),
        (f"before\n{PEM}\nafter", "before\n***-----END RSA PRIVATE KEY-----\nafter"),
        (PEM.replace("\n", r"\n"), "***-----END RSA PRIVATE KEY-----"),
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
        "invalid_token: expired-yesterday",
        "usage: agent [--api-key KEY] [--api-key-file FILE]",
        "--api-key needs a value",
        "hf_hub_download_to_the_local_folder",
        "fw_configurationmanagerfactory",
        "AKIAPOLLOLOOKSLIKEAKEYBUTISLONGER",
        "risk-0123456789abcdefghij",
    ],
)
def test_what_is_no_secret(text: str) -> None:
    assert redact(text) == text


@given(st.text())
@example("sk-" + "a" * 5000)
@example("eyJ-" * 2000)
@example("-" * 3000 + "--api-key --api-key ")
@example('password="' * 1000)
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
        (b'{"m": "key sk-proj-0123456789", "n": 1}', b'{"m": "key ***", "n": 1}'),
        (b'[{"api_key": "opaque-value"}]', b'[{"api_key": "***"}]'),
        (
            rb'{"body": "{\"api_key\": \"opaque-value\"}\nAPI_KEY=opaque-value\nend"}',
            rb'{"body": "{\"api_key\": \"***\"}\nAPI_KEY=***\nend"}',
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


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has this test begin, and the others go on, without what it makes known."""
    monkeypatch.setattr("signedin.model.redact._KNOWN", _KnownValues())


HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
ODD = 'ab/cd+ef=="gh\\ij&kl mn'


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("value", [HEX, "correct-horse-battery", "12345678-x", "schlüssel-zum-tor"])
def test_a_known_value_is_masked_whatever_its_form(value: str) -> None:
    assert redact(f"no {value} is known") == f"no {value} is known"
    know([value])
    assert redact(f"x{value}y, {value}") == "x***y, ***"
    assert redact(quote(value, safe="")) == "***"
    assert str(SignedinError(f"refused: {value}")) == "refused: ***"
    assert redact_json(json.dumps({value: [value, 1]}).encode()) == b'{"***": ["***", 1]}'


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "quoted",
    [
        quote(ODD, safe=""),
        quote(ODD, safe="!'()*"),
        json.dumps(ODD),
        json.dumps(ODD).replace("/", r"\/"),
        json.dumps(json.dumps(ODD)),
        "".join(f"\\u{ord(letter):04x}" for letter in ODD),
    ],
)
def test_a_known_value_in_the_words_of_urls_and_of_json(quoted: str) -> None:
    know([ODD])
    text = f'{{"m": "{quoted}"}}' if not quoted.startswith('"') else f'{{"m": {quoted}}}'
    masked = redact_json(text.encode()).decode()
    assert masked in ('{"m": "***"}', r'{"m": "\"***\""}')


@pytest.mark.usefixtures("known")
def test_the_longest_of_known_values_goes_first() -> None:
    know(["opaque-value", "opaque-value-and-more"])
    assert redact("opaque-value-and-more, opaque-value") == "***, ***"


@pytest.mark.usefixtures("known")
def test_what_means_something_else_is_no_known_value() -> None:
    know(["", None, "short-1", "loopback", "12345678", "  \n"])
    text = "short-1 loopback 12345678   \n"
    assert redact(text) == text


@pytest.mark.usefixtures("known")
def test_of_too_many_values_the_oldest_are_forgotten() -> None:
    know(["value-that-is-kept", "value-that-goes"])
    for number in range(999):
        know([f"value-number-{number:04}", "value-that-is-kept"])
    assert redact("value-that-is-kept value-that-goes") == "*** value-that-goes"


@pytest.mark.usefixtures("known")
def test_variables_and_headers_by_their_names() -> None:
    know_variables({"MY_TOKEN": HEX, "db_password": "opaque-value", "EDITOR": "opaque-editor"})
    know_headers(
        [("X-Key", "one-two-three"), ("Authorization", "Custom four-five-six"), ("A", HEX)]
    )
    text = f"{HEX} opaque-value opaque-editor one-two-three four-five-six"
    assert redact(text) == "*** *** opaque-editor *** ***"


@pytest.mark.usefixtures("known")
def test_servers_and_options_make_their_secrets_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAR", "linear-of-the-environment")
    given = McpServer(url="https://x", headers={"Authorization": "Bearer of-a-header"})
    started = McpServer(command="x", env={"API_KEY": "of-the-server"})
    linear = McpServer(url="https://y", bearer_token_variable="LINEAR")
    servers = {"given": given, "started": started, "linear": linear}
    TurnOptions(cwd=Path("/"), env={"MY_SECRET": "of-the-caller"}, mcp_servers=servers)
    text = "of-a-header of-the-server linear-of-the-environment of-the-caller"
    assert redact(text) == "*** *** *** ***"


DEEP = b"[" * 5000 + b'"sk-proj-0123456789"' + b"]" * 5000


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (DEEP, DEEP.replace(b"sk-proj-0123456789", b"***")),
        (b'{"n": 1e999, "m": "sk-proj-0123456789"}', b'{"n": 1e999, "m": "***"}'),
        (b'[%s, "sk-proj-0123456789"]' % (b"9" * 5000), b'[%s, "***"]' % (b"9" * 5000)),
        (b'["\xff sk-proj-0123456789"]', '["\ufffd ***"]'.encode()),
        (rb'["\ud800 sk-proj-0123456789"]', '["\ufffd ***"]'.encode()),
        (rb'["\ud83d\ude00 sk-proj-0123456789"]', '["\U0001f600 ***"]'.encode()),
        (b'{"sk-proj-0123456789": 1', b'{"***": 1'),
        (b'["sk-proj-0123456789', b'["***'),
        (b"sk-proj-0123456789", b"***"),
        (b'{"a=b": "x", "api_key": "opaque-value"}', b'{"a=b": "x", "api_key": "***"}'),
        (rb'{"\u0061pi_key": "opaque-value"}', rb'{"\u0061pi_key": "***"}'),
    ],
)
def test_json_that_is_hard_to_read(text: bytes, masked: bytes) -> None:
    assert redact_json(text) == masked


@given(st.binary(max_size=200), st.sampled_from([b"", b'["', b'"', b"\\", b'{"api_key":"']))
@example(b'\\"' * 2000, b'"')
def test_whatever_is_called_json_is_masked(text: bytes, start: bytes) -> None:
    masked = redact_json(start + text + b" sk-proj-0123456789")
    assert b"sk-proj-0123456789" not in masked


@pytest.mark.parametrize(
    ("said", "size"), [("nothing", LARGEST_JSON), (SECRETS[0], LONGEST_MESSAGE)]
)
def test_json_that_is_too_large_is_replaced_by_words(said: str, size: int) -> None:
    text = json.dumps([said, "x" * size]).encode()
    masked = msgspec.json.decode(redact_json(text), type=str)
    assert masked == f"left out: {len(text)} bytes, too many to take the secrets out"
    fits = json.dumps([said, "x" * (size // 2)]).encode()
    assert redact_json(fits) == fits.replace(SECRETS[0].encode(), b"***")


@pytest.mark.parametrize("place", [-9, -1, 0, 9])
def test_a_message_that_is_too_long_is_cut_but_no_secret_in_two(place: int) -> None:
    secret = SECRETS[0]
    before = LONGEST_MESSAGE + place - len(secret)
    text = "a " * (before // 2) + secret + " b" * 100_000
    shown = SignedinError(text).message
    assert len(shown) < LONGEST_MESSAGE + 100
    assert shown.endswith(f" [… of {len(text)} characters the rest is left out]")
    assert "sk-proj" not in shown


@pytest.mark.parametrize(
    "payload", [DEEP, b'{"n": 1e999, "m": "sk-proj-0123456789"}', b'["\xff sk-proj-0123456789"]']
)
def test_news_that_is_hard_to_read_ends_no_turn(payload: bytes) -> None:
    recorder = TurnRecorder(provider="p", transport="t", cwd="/", model=None)
    news = OtherEvent(name="x", payload=msgspec.Raw(payload))
    given = [SessionEvent(session_id="s"), news, DoneEvent(reason="completed")]
    seen = recorder.record(given)
    assert [type(event) for event in seen] == [SessionEvent, OtherEvent, DoneEvent]
    assert b"sk-proj" not in bytes(seen[1].payload)
    assert recorder.failure() is None


def test_a_known_value_that_a_longer_secret_begins_with() -> None:
    know(["sk-ant-first-0123456789"])
    assert redact("sk-ant-first-0123456789abcdef, sk-ant-first-0123456789.") == "***, ***."
