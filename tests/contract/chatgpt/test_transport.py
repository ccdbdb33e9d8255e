"""`ChatGPTTransport` on its own, against a backend that sends whatever it likes."""

import asyncio
import json
import logging
import time

import aiohttp
import msgspec
import pytest

from signedin import Client
from signedin.loopback import Hold, LoopbackModel, Text
from signedin.model.errors import (
    AuthRequiredError,
    ErrorKind,
    InvalidOptionError,
    RateLimitedError,
    SignedinError,
    TurnFailedError,
    UnsupportedOptionError,
    UsageLimitError,
)
from signedin.model.events import (
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    RetryEvent,
    WarningEvent,
)
from signedin.providers.chatgpt.proxies import proxy_for
from signedin.providers.chatgpt.requests import ResponseRequest, user_message
from signedin.providers.chatgpt.sign_in.access import Access
from signedin.providers.chatgpt.sign_in.profiles import SIWC
from support.chatgpt import (
    HANG,
    RawBackend,
    Sent,
    Tokens,
    completed,
    created,
    delta,
    event,
    failed,
    loopback_profile,
    message,
    transport_to,
)

REQUEST = ResponseRequest(model="m", input=[user_message("a private question")])
GOOD = Sent([created(), delta("Hel"), delta("lo"), message("Hello"), completed()])
PAGE = b"""<!DOCTYPE html><html><head><title>Just a moment...</title></head>
<body><script>alert(1)</script>Enable JavaScript and cookies to continue</body></html>"""


async def ask(transport, request=REQUEST):
    """What an answer gave, and the error it ended with."""
    answer = transport.answer(request)
    seen = []
    try:
        async with answer:
            async for given in answer:
                seen.append(given)
    except Exception as error:
        return answer, seen, error
    return answer, seen, None


async def ask_backend(sent, access=None, request=REQUEST, **options):
    with RawBackend(sent) as backend:
        async with transport_to(backend.profile, access, **options) as transport:
            answer, seen, error = await ask(transport, request)
    return backend, answer, seen, error


def texts(seen, kind):
    return [given.text for given in seen if isinstance(given, kind)]


async def test_an_answer_is_read():
    backend, answer, seen, error = await ask_backend(GOOD)
    assert error is None
    assert texts(seen, MessageDeltaEvent) == ["Hel", "lo"]
    assert texts(seen, MessageEvent) == ["Hello"]
    assert answer.id == "resp-1"
    assert [json.loads(bytes(item))["type"] for item in answer.items] == ["message"]
    [request] = backend.requests
    assert request.headers["authorization"] == "Bearer secret-token-0"
    assert request.headers["chatgpt-account-id"] == "acct-1"
    assert json.loads(request.body)["instructions"] == "You are a helpful assistant."


async def test_a_government_account_says_so():
    class Government:
        async def current(self):
            return Access("token", "acct-1", fedramp=True)

        renewed = None

    backend, _, _, error = await ask_backend(GOOD, Government())
    assert error is None
    assert backend.requests[0].headers["x-openai-fedramp"] == "true"


async def test_an_answer_of_which_only_pieces_come_is_made_of_them():
    _, answer, seen, error = await ask_backend(Sent([delta("Hel"), delta("lo"), completed()]))
    assert error is None
    assert texts(seen, MessageEvent) == ["Hello"]
    assert json.loads(bytes(answer.items[0]))["content"] == [
        {"type": "output_text", "text": "Hello"}
    ]


async def test_an_answer_that_is_only_in_the_end_is_found_there():
    item = {
        "type": "message",
        "id": "msg-1",
        "content": [{"type": "output_text", "text": "Late"}],
    }
    _, _, seen, error = await ask_backend(Sent([created(), completed(output=[item])]))
    assert error is None
    assert texts(seen, MessageEvent) == ["Late"]


async def test_lines_may_end_in_any_way_and_be_cut_anywhere():
    stream = b": hello\r\n\r\n" + b"".join(GOOD.pieces).replace(b"\n", b"\r\n")
    pieces = [stream[start : start + 7] for start in range(0, len(stream), 7)]
    _, _, seen, error = await ask_backend(Sent(pieces))
    assert error is None
    assert texts(seen, MessageEvent) == ["Hello"]


async def test_the_state_of_a_turn_goes_with_its_further_requests():
    headers = {"Content-Type": "text/event-stream", "x-codex-turn-state": "state-1"}
    backend, answer, _, _ = await ask_backend(Sent(GOOD.pieces, headers=headers))
    assert "x-codex-turn-state" not in backend.requests[0].headers
    request = ResponseRequest(model="m", input=[], turn_state=answer.turn_state)
    backend, _, _, _ = await ask_backend(GOOD, request=request)
    assert backend.requests[0].headers["x-codex-turn-state"] == "state-1"


# The weak spots of transports that people use today, each as its user sees it.


async def test_a_token_that_is_refused_is_renewed_and_the_question_asked_once_more():
    def answer(request):
        good = request.headers["authorization"] == "Bearer secret-token-1"
        return GOOD if good else Sent([b'{"detail": "expired"}'], status=401)

    tokens = Tokens()
    backend, _, seen, error = await ask_backend(answer, tokens)
    assert error is None
    assert texts(seen, MessageEvent) == ["Hello"]
    assert (len(backend.requests), tokens.renewals) == (2, 1)


async def test_a_login_that_is_always_refused_is_renewed_only_once():
    body = b'{"error": {"code": "token_invalidated", "message": "Signed out elsewhere"}}'
    backend, _, _, error = await ask_backend(Sent([body], status=401), tokens := Tokens())
    assert type(error) is AuthRequiredError
    assert "Signed out elsewhere" in error.message
    assert "signedin auth login --provider chatgpt" in error.message
    assert (len(backend.requests), tokens.renewals) == (2, 1)


async def test_a_login_that_cannot_be_renewed_says_how_to_sign_in():
    _, _, _, error = await ask_backend(Sent(status=401), Tokens(renewals=0))
    assert type(error) is AuthRequiredError
    assert "Sign in with" in error.message


async def test_a_used_up_plan_is_told_at_once_with_the_time_it_is_lifted():
    body = {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": 1795000000,
        }
    }
    sent = Sent([json.dumps(body).encode()], status=429, headers={"Retry-After": "1"})
    backend, _, seen, error = await ask_backend(sent)
    assert type(error) is UsageLimitError
    assert (error.resets_at, error.plan) == (1795000000.0, "plus")
    assert "The usage limit has been reached" in error.message
    assert (len(backend.requests), seen) == (1, [])


@pytest.mark.parametrize(
    "report",
    [
        {"status_code": 429, "error": {"type": "usage_limit_reached", "resets_in_seconds": 60}},
        {"error": {"error": {"type": "usage_limit_reached", "resets_in_seconds": 60}}},
        {"code": "usage_limit_reached", "resets_in_seconds": 60},
    ],
)
async def test_a_used_up_plan_is_told_in_the_stream_in_three_ways(report):
    backend, _, _, error = await ask_backend(Sent([created(), event("error", **report)]))
    assert type(error) is UsageLimitError
    assert 0 < error.resets_at - time.time() <= 60
    assert len(backend.requests) == 1


async def test_no_text_form_shows_a_token_or_what_was_asked():
    with RawBackend(GOOD) as backend:
        async with transport_to(backend.profile) as transport:
            answer, _, _ = await ask(transport)
            shown = repr([transport, answer, REQUEST, Access("secret-token-0"), vars(answer)])
    assert "secret-token" not in shown
    assert "private question" not in shown


async def test_a_stream_that_falls_silent_ends_with_an_error_and_what_there_was():
    _, answer, seen, error = await ask_backend(
        Sent([created(), delta("Hel"), delta("lo"), HANG]), idle_timeout=2.0
    )
    assert type(error) is TurnFailedError
    assert error.kind is ErrorKind.NETWORK
    assert "did not answer in time (limits: 2 s without a byte" in error.message
    assert texts(seen, MessageDeltaEvent) == ["Hel", "lo"]
    assert json.loads(bytes(answer.items[0]))["content"][0]["text"] == "Hello"


async def test_an_answer_may_take_any_time_as_long_as_something_comes():
    with RawBackend(GOOD) as backend:
        async with transport_to(backend.profile) as transport:
            async with transport.answer(REQUEST) as answer:
                async for _ in answer:
                    pass
            session = transport._connection._session
            assert session.timeout.total is None
            assert (session.timeout.sock_connect, session.timeout.sock_read) == (15.0, 300.0)


async def test_one_event_that_cannot_be_read_is_skipped_and_told():
    pieces = [created(), delta("Hel"), b"data: {broken\n\n", b"data: [DONE]\n\n", delta("lo")]
    pieces += [b'event: x\ndata: {"type": "response.new_thing", "delta": {"a": 1}}\n\n']
    _, _, seen, error = await ask_backend(Sent([*pieces, message("Hello"), completed()]))
    assert error is None
    assert texts(seen, MessageEvent) == ["Hello"]
    assert len(texts(seen, WarningEvent)) == 1
    assert "response.new_thing" in [e.name for e in seen if isinstance(e, OtherEvent)]


@pytest.mark.parametrize("status", [200, 403])
async def test_a_web_page_instead_of_an_answer_is_told_in_a_line(status):
    headers = {"Content-Type": "text/html", "cf-ray": "8f00-FRA"}
    _, _, _, error = await ask_backend(Sent([PAGE], status=status, headers=headers))
    assert error.kind is ErrorKind.NETWORK
    assert error.message == (
        "a web page came instead of ChatGPT's answer: Just a moment... "
        f"(status {status}, cf-ray 8f00-FRA). The network or a proxy on the way is blocked"
    )


async def test_a_system_message_is_sent_as_one_of_the_developer():
    request = ResponseRequest(
        model="m", input=[{"type": "message", "role": "system", "content": "Be brief."}]
    )
    backend, _, _, _ = await ask_backend(GOOD, request=request)
    assert json.loads(backend.requests[0].body)["input"] == [
        {"type": "message", "role": "developer", "content": "Be brief."}
    ]


async def test_the_default_model_is_the_accounts_own_and_no_stale_one():
    with LoopbackModel("Hello") as model:
        profile = loopback_profile(model)
        async with transport_to(profile) as transport:
            assert await transport.default_model() == "scripted-large"


async def test_logs_tell_nothing_of_what_was_said(caplog):
    caplog.set_level(logging.DEBUG)
    _, _, _, error = await ask_backend(Sent([b'{"detail": "no"}'], status=400))
    assert error is not None
    await ask_backend(GOOD)
    assert "private question" not in caplog.text
    assert "secret-token" not in caplog.text


# Trying again.


async def test_what_passes_by_itself_is_tried_again_until_it_has():
    answers = iter(
        [
            Sent([b"busy"], status=503),
            Sent([b'{"error": {"message": "oops"}}'], status=500),
            Sent([created(), failed(code="rate_limit_exceeded", message="Try again in 1ms.")]),
            Sent([created()], is_cut=True),
            GOOD,
        ]
    )
    backend, _, seen, error = await ask_backend(lambda _: next(answers))
    assert error is None
    assert texts(seen, MessageEvent) == ["Hello"]
    retries = [(e.attempt, e.text) for e in seen if isinstance(e, RetryEvent)]
    assert retries == [
        (1, "ChatGPT refused the request: busy (status 503)"),
        (2, "ChatGPT refused the request: oops (status 500)"),
        (3, "ChatGPT failed: Try again in 1ms."),
        (4, retries[3][1]),
    ]
    assert "the connection to 127.0.0.1" in retries[3][1]
    assert len({request.body for request in backend.requests}) == 1


async def test_after_a_few_times_it_is_given_up():
    backend, _, seen, error = await ask_backend(Sent([b"busy"], status=503))
    assert (error.kind, error.status) == (ErrorKind.OVERLOADED, 503)
    assert len(backend.requests) == 5
    assert len(seen) == 4


async def test_nothing_is_asked_again_once_something_was_said():
    sent = Sent([created(), delta("Hel"), delta("lo")], is_cut=True)
    backend, _, seen, error = await ask_backend(sent)
    assert error.kind is ErrorKind.NETWORK
    assert texts(seen, MessageDeltaEvent) == ["Hel", "lo"]
    assert len(backend.requests) == 1


async def test_all_that_came_before_a_connection_broke_is_seen():
    pieces = [created(), b"".join(delta(f"{number} ") for number in range(5000))]
    _, _, seen, error = await ask_backend(Sent(pieces, is_cut=True))
    assert error.kind is ErrorKind.NETWORK
    assert texts(seen, MessageDeltaEvent) == [f"{number} " for number in range(5000)]


async def test_a_stream_that_ends_too_early_is_an_error():
    _, answer, _, error = await ask_backend(Sent([created(), delta("Hel")]))
    assert error.message == "the answer broke off before it was complete"
    assert error.kind is ErrorKind.NETWORK
    assert json.loads(bytes(answer.items[0]))["content"][0]["text"] == "Hel"


@pytest.mark.parametrize("status", [400, 403, 404, 413])
async def test_what_fails_the_same_way_again_is_not_tried_again(status):
    backend, _, _, error = await ask_backend(Sent([b"{}"], status=status))
    assert error is not None
    assert len(backend.requests) == 1


async def test_a_server_says_how_long_to_wait():
    sent = Sent([b'{"error": {"message": "slow"}}'], status=429, headers={"Retry-After": "7200"})
    backend, _, _, error = await ask_backend(sent)
    assert type(error) is RateLimitedError
    assert error.retry_after == 7200.0
    assert len(backend.requests) == 1  # two hours are not waited for


async def test_nobody_is_there():
    with RawBackend(GOOD) as backend:
        profile = backend.profile
    async with transport_to(profile) as transport:
        _, _, error = await ask(transport)
    assert error.kind is ErrorKind.NETWORK
    assert "the connection to 127.0.0.1" in error.message


async def test_redirects_are_not_followed():
    headers = {"Location": "https://example.com/steal"}
    backend, _, _, error = await ask_backend(Sent([b"moved"], status=307, headers=headers))
    assert error is not None
    assert len(backend.requests) == 1


async def test_a_connection_is_used_again(monkeypatch):
    opened = []
    connect = aiohttp.TCPConnector._create_connection

    async def counted(self, *args):
        opened.append(args)
        return await connect(self, *args)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", counted)
    with RawBackend(GOOD) as backend:
        async with transport_to(backend.profile) as transport:
            for _ in range(3):
                _, _, error = await ask(transport)
                assert error is None
    assert len(opened) == 1


def test_the_proxy_of_the_environment_is_for_what_leaves_the_machine(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "api.openai.com")
    assert proxy_for("https://chatgpt.com/backend-api/codex") == "http://proxy.example:3128"
    assert proxy_for("https://api.openai.com/v1") is None
    assert proxy_for("http://127.0.0.1:1/v1") is None
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert proxy_for("https://chatgpt.com/backend-api/codex") == "http://proxy.example:3128"


def test_a_proxy_that_is_not_http_is_named_before_anything_is_sent(monkeypatch):
    monkeypatch.setenv("all_proxy", "socks5h://me:secret@127.0.0.1:9")
    with (
        Client("chatgpt", model="m", provider_options={"access": "token"}) as client,
        pytest.raises(
            SignedinError,
            match=r"^the proxy socks5h://127\.0\.0\.1:9 is not an HTTP proxy, and others are not "
            r"supported; set HTTPS_PROXY to an HTTP proxy$",
        ),
    ):
        client.run("Hi")


# Stopping, and many at once.


async def test_a_stopped_answer_hangs_up():
    with LoopbackModel(Text(["Hel", Hold("never"), "lo"])) as model:
        async with transport_to(loopback_profile(model)) as transport:
            async with transport.answer(REQUEST) as answer:
                async for given in answer:
                    if isinstance(given, MessageDeltaEvent):
                        break
            await asyncio.to_thread(model.wait_for_disconnect, timeout=30)
            assert json.loads(bytes(answer.items[0]))["content"][0]["text"] == "Hel"


async def test_fifty_answers_at_once_with_one_refused_token_are_one_renewal():
    def answer(request):
        good = request.headers["authorization"] == "Bearer secret-token-1"
        return GOOD if good else Sent([b"{}"], status=401)

    tokens = Tokens()
    with RawBackend(answer) as backend:
        async with transport_to(backend.profile, tokens) as transport:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(ask(transport)) for _ in range(50)]
    assert [texts(task.result()[1], MessageEvent) for task in asked] == [["Hello"]] * 50
    assert tokens.renewals == 1


async def test_the_list_of_models_is_asked_for_again_only_if_it_has_changed():
    with LoopbackModel("Hello") as model:
        async with transport_to(loopback_profile(model)) as transport:
            models = await transport.models()
            assert [entry.slug for entry in models] == [
                "scripted-large",
                "scripted-small",
                "scripted-review",
            ]
            transport._catalogue.seen("another")
            assert await transport.models() == models
            assert await transport.models() == models
        async with transport_to(loopback_profile(model)) as transport:
            assert await transport.models() == models
            assert transport.context_window("scripted-large") == 272000
            assert transport.context_window("unheard-of") is None
    assert [request.headers.get("if-none-match") for request in model.requests] == [
        None,
        model.requests[1].headers["if-none-match"],
    ]


async def test_an_old_list_of_models_is_better_than_none(caplog):
    with LoopbackModel("Hello") as model:
        async with transport_to(loopback_profile(model)) as transport:
            models = await transport.models()
            transport._catalogue.seen("another")
            model.close()
            assert await transport.models() == models
            assert "using an outdated list of models" in caplog.text


async def test_models_in_the_form_of_the_public_api():
    body = b'{"object": "list", "data": [{"id": "gpt-a"}, {"id": "gpt-b"}]}'
    with RawBackend(Sent([body])) as backend:
        async with transport_to(backend.profile) as transport:
            assert [model.slug for model in await transport.models()] == ["gpt-a", "gpt-b"]
            with pytest.raises(InvalidOptionError, match="choose one with model=: gpt-a, gpt-b"):
                await transport.default_model()


@pytest.mark.parametrize("body", [b"no json", b'{"models": 7}'])
async def test_a_list_of_models_that_cannot_be_read_is_told(body):
    with RawBackend(Sent([body])) as backend:
        async with transport_to(backend.profile) as transport:
            with pytest.raises(TurnFailedError, match="list of models could not be read"):
                await transport.models()


async def test_limits_where_only_answers_tell_them():
    headers = {"Content-Type": "text/event-stream", "x-codex-primary-used-percent": "42"}
    with RawBackend(Sent(GOOD.pieces, headers=headers)) as backend:
        url = backend.profile.base_url.replace("/codex", "/v1")
        profile = msgspec.structs.replace(backend.profile, base_url=url)
        async with transport_to(profile) as transport:
            await ask(transport)
            assert (await transport.limits()).windows["primary"].used_percent == 42.0


async def test_limits_where_nobody_tells_them():
    async with transport_to(SIWC) as transport:
        with pytest.raises(UnsupportedOptionError, match="profile 'siwc' has no endpoint"):
            await transport.limits()
