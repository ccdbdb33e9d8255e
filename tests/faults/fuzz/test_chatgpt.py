"""Whatever bytes a server or a file has: a `SignedinError`, or an answer, and nothing else."""

import asyncio
import base64
import json
import os
import sqlite3
import tempfile
from contextlib import suppress
from itertools import islice
from pathlib import Path

import httpx2
import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from faults.fuzz.cases import COUNT, SECRET, documents, free, rows
from signedin.accounts.store import CredentialStore, CredentialStoreError
from signedin.model.errors import SignedinError
from signedin.model.retry import Retry
from signedin.providers.base import SessionQuery
from signedin.providers.chatgpt.claims import read_claims
from signedin.providers.chatgpt.conversation import StoredTurn
from signedin.providers.chatgpt.failure import error_of_response
from signedin.providers.chatgpt.limits import limits_in_headers
from signedin.providers.chatgpt.models import _decoded
from signedin.providers.chatgpt.normalise import AnswerNormaliser
from signedin.providers.chatgpt.requests import ResponseRequest
from signedin.providers.chatgpt.sign_in import endpoint
from signedin.providers.chatgpt.sign_in.code_exchange import CodeExchange
from signedin.providers.chatgpt.sign_in.device import DeviceFlow
from signedin.providers.chatgpt.sign_in.identity import check_identity
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import CODEX
from signedin.providers.chatgpt.sign_in.tokens import exchange_code, refresh_login
from signedin.providers.chatgpt.sign_in.transfer import read_login
from signedin.providers.chatgpt.store import ConversationStore
from signedin.providers.codex.account.transfer import import_login
from signedin.wire.sse import EventSplitter
from support.chatgpt import RawBackend, Sent, completed, created, delta, transport_to

DEEP = b"[" * 100_000
NUMBERS = (b"1e999", b"9" * 400, b"-1", b"0", b"NaN", b"true", b"1e308")
texts = st.sampled_from(["", "x", "é", "\udcff", "\r\nX: y", "9" * 400, "usage_limit_reached"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
NAMES = ("code", "type", "message", "plan_type", "resets_at", "resets_in_seconds", "error")
reports = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


def as_json(value):
    return json.dumps(value).encode()


@st.composite
def damaged(draw, sound):
    """Bytes that were JSON once."""
    data = bytearray(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(
            st.sampled_from([b"", b"\xe9", b"\xff\xfe", b'"', b"}", DEEP, *NUMBERS])
        )
    return bytes(data)


bodies = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda report: as_json({"error": report}), reports),
    damaged([b'{"error": {"message": "caf\xc3\xa9", "resets_at": 1}}', b'{"detail": "x"}']),
)
header_values = st.sampled_from(
    ["nan", "inf", "-1", "9" * 400, "1e999", "\udcff", "²", "", "12", "Thu, 99 Foo 9999 25:61:61"]
)
HEADERS = (
    "Retry-After",
    "cf-ray",
    "x-request-id",
    "x-codex-primary-used-percent",
    "x-codex-primary-window-minutes",
    "x-codex-primary-reset-at",
    "x-codex-plan-type",
    "Content-Type",
)


@free
@given(
    st.sampled_from([400, 401, 403, 429, 500, 503]),
    st.dictionaries(st.sampled_from(HEADERS), header_values),
    bodies,
)
def test_bodies_and_headers_of_refusals(status, headers, body):
    error = error_of_response(status, headers, body)
    assert isinstance(error, SignedinError)
    error.message.encode()
    limits_in_headers(headers)


@free
@given(bodies)
def test_lists_of_models(body):
    with suppress(SignedinError):
        _decoded(body)


STREAM = (
    b'data: {"type": "response.created", "response": {"id": "r", "model": "m"}}\n\n',
    b'data: {"type": "response.output_text.delta", "item_id": "m", "delta": "Hi"}\n\n',
    b'data: {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 1}}}\n\n',
    b'data: {"type": "error", "status": 429, "headers": {"Retry-After": "1"}, "error": {}}\n\n',
    b'data: {"type": "response.failed", "response": {"error": {"code": "x"}}}\n\n',
    b'data: {"type": "response.completed", "response": {"usage": {"input_tokens": 1}}}\n\n',
)


@free
@given(st.lists(damaged(STREAM) | st.binary(max_size=40), max_size=5))
def test_streams(chunks):
    splitter, normaliser = EventSplitter(), AnswerNormaliser()
    for chunk in chunks:
        normaliser.events(splitter.feed(chunk))
    normaliser.events(splitter.close())
    normaliser.broken_off()


@free
@given(st.dictionaries(st.sampled_from(["exp", "iat", "sub", "email"]), values) | bodies)
def test_tokens(payload):
    data = payload if isinstance(payload, bytes) else as_json(payload)
    body = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    read_claims(f"h.{body}.s")


LOGIN = ChatGPTLogin(profile="codex", client_id="c", access_token="a", refresh_token="r")

ASKED = ResponseRequest(model="m", input=[])
BACKEND = [
    [
        {"type": "response.created", "response": {"id": "r", "model": "m"}},
        {"type": "response.output_text.delta", "item_id": "m", "delta": "Hi"},
        {"type": "response.reasoning_summary_text.delta", "item_id": "q", "delta": "Hm"},
        {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 1}}},
        {
            "type": "response.output_item.done",
            "item": {"type": "message", "id": "n", "content": []},
        },
        {"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "c"}},
        {"type": end, **more},
    ]
    for end, more in (
        ("response.completed", {"response": {"id": "r", "usage": {"input_tokens": 1}}}),
        ("response.failed", {"response": {"error": {"code": "x", "message": "no"}}}),
        ("response.incomplete", {"response": {"incomplete_details": {"reason": "x"}}}),
        ("error", {"status": 429, "headers": {"Retry-After": "1"}, "error": {"message": "no"}}),
    )
]


async def test_answers_of_a_backend():
    """All the way through HTTP; the words that came first are there, whatever comes then."""
    played = Sent()

    with RawBackend(lambda _: played) as backend:
        async with transport_to(backend.profile, retry=Retry(max_retries=0)) as transport:
            for case in islice(rows(*BACKEND), COUNT // 5):
                lines = case.data.split(b"\n")
                stream = b"".join(b"data: " + line + b"\n\n" for line in lines)
                played = Sent((created(), delta("before", "b"), stream, completed()))
                with case:
                    events = []
                    async with transport.answer(ASKED) as answer:
                        with suppress(SignedinError):
                            async for event in answer:
                                events.append(event)
                    assert "before" in [event.text for event in events]


GRANT = {
    "access_token": "h.eyJleHAiOiA1LCAiaWF0IjogMX0.s",
    "refresh_token": "r",
    "expires_in": 3600,
    "earliest_refresh_at": "2026-01-31T12:00:00Z",
    "token_type": "Bearer",
    "scope": "openid",
}
CODE = {"user_code": "A-B", "device_auth_id": "d", "interval": "5"}
REFUSED = {"error": {"code": "invalid_grant", "message": f"no: {SECRET}"}}
KEYS = {"keys": [{"kid": "k", "kty": "EC", "crv": "P-256", "alg": "ES256", "x": "AA", "y": "AA"}]}
TOKEN = "eyJhbGciOiAiRVMyNTYiLCAia2lkIjogImsifQ.e30.AA"


async def test_sign_in_servers(monkeypatch):
    """What they answer to a code, to a refresh, and of their keys."""

    async def ask(_method, url, *_):
        headers = {"content-type": "application/json"}
        request = httpx2.Request("GET", url)
        return endpoint._read(
            httpx2.Response(status, headers=headers, content=case.data, request=request)
        )

    monkeypatch.setattr(endpoint, "_ask", ask)
    exchange = CodeExchange(profile=CODEX, client=None, stored_login=None, settings=None)
    url = CODEX.token_url
    asked = (
        lambda: refresh_login(CODEX, LOGIN),
        lambda: exchange_code(CODEX, client_id="c", code="c", redirect_uri="", verifier="v"),
        lambda: DeviceFlow(exchange, CODEX.device).begin(),
        lambda: check_identity(TOKEN, keys_url=url, issuer="i", client_id="c", nonce="n"),
    )
    for case in documents(GRANT, CODE, REFUSED, KEYS):
        status = (200, 200, 200, 400, 401, 429, 500)[case.number % 7]
        with case:
            await asked[case.number % len(asked)]()


KEPT = msgspec.json.encode({"credential": LOGIN, "refresh_began": 1.0})


@free
@given(damaged([KEPT]) | bodies)
def test_login_files(content):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "login.json").write_bytes(content)
        store = CredentialStore(ChatGPTLogin, Path(folder))
        with suppress(SignedinError):
            asyncio.run(store.read("login"))


@free
@given(
    st.text(max_size=30)
    | texts
    | damaged([msgspec.json.encode(LOGIN), b'{"refresh_token": "r", "expires_at": "1"}']).map(
        lambda data: data.decode("utf-8", "surrogateescape")
    )
    | st.builds("signedin-login-plain-1.{}.{}".format, st.sampled_from(["chatgpt", "codex"]), texts)
)
def test_imports(line):
    with suppress(SignedinError):
        read_login(line, lambda: "")
    with tempfile.TemporaryDirectory() as folder, suppress(SignedinError):
        import_login(Path(folder, "codex"), line, lambda: "", force=False)


CELLS = (None, 1, -1.5, "soon", b"\xff", b'{"id":', DEEP)


@pytest.fixture(scope="module")
def conversations(tmp_path_factory):
    store = ConversationStore(tmp_path_factory.mktemp("chatgpt") / "store")
    turn = StoredTurn(id="t", prompt="one", model="m", started_at=1.0)
    asyncio.run(store.keep("s", Path("/"), turn))
    return store


@settings(free, max_examples=max(COUNT // 5, 1))  # each takes a transaction
@given(
    column=st.sampled_from(["name", "preview", "cwd", "model", "created_at", "archived"]),
    cell=st.sampled_from(CELLS),
    turn=st.sampled_from(CELLS),
)
def test_stores(conversations, column, cell, turn):
    database = sqlite3.connect(conversations.file)
    with suppress(sqlite3.IntegrityError), database:
        database.execute(f"UPDATE sessions SET {column} = ?", (cell,))
    with suppress(sqlite3.IntegrityError), database:
        database.execute("UPDATE turns SET turn = ?", (turn,))
    database.close()

    async def look():
        for archived in (False, True):
            with suppress(SignedinError):
                await conversations.sessions(SessionQuery(archived=archived))
        with suppress(SignedinError):
            await conversations.turns("s")

    asyncio.run(look())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop", "line break"])
async def test_what_is_no_login_file(tmp_path, kind):
    file = tmp_path / "login.json"
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "loop":
            file.symlink_to(file)
        case _:
            login = {"profile": "codex", "client_id": "c", "access_token": "a\r\nX: y"}
            file.write_bytes(as_json({"credential": login}))
    with pytest.raises(CredentialStoreError, match=r"login\.json cannot be read: "):
        await CredentialStore(ChatGPTLogin, tmp_path).read("login")
