"""The loopback model as its users see it."""

import asyncio
import gzip
import inspect
import json
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from signedin.loopback import (
    Cut,
    Failed,
    Hang,
    Hold,
    HttpError,
    Incomplete,
    LoopbackModel,
    Reply,
    Rule,
    Script,
    ScriptError,
    Text,
    ToolOutput,
    UsageLimit,
    shell,
)


def text_of(response, events_of):
    """The text of a whole answer."""
    assert response.status_code == 200, response.text
    last = events_of(response.text)[-1]
    assert last["type"] == "response.completed"
    [item] = last["response"]["output"]
    return item["content"][0]["text"]


def types(response, events_of):
    return [event["type"].removeprefix("response.") for event in events_of(response.text)]


def test_help_names_the_types_of_a_script_rather_than_listing_them():
    assert str(inspect.signature(LoopbackModel)).startswith("(script: 'Written | Callable[")


def test_a_text_answers(serve, ask, events_of):
    response = ask(serve("Hello you"))
    assert response.headers["content-type"] == "text/event-stream"
    assert text_of(response, events_of) == "Hello you"


def test_a_request_is_kept(serve, ask):
    model = serve([shell("ls"), "done"])
    before = time.time()
    ask(model, "do it", ["output"], conversation="thread")
    [request] = model.requests
    assert (request.number, request.method, request.path, request.api) == (
        1,
        "POST",
        "/v1/responses",
        "responses",
    )
    assert (request.model, request.prompt, request.conversation, request.tools) == (
        "scripted",
        "do it",
        "thread",
        ("exec_command", "web_search"),
    )
    assert request.tool_outputs == (ToolOutput("c0", "output"),)
    assert request.headers["content-type"] == "application/json"
    assert request.body["input"][0]["content"][0]["text"] == "do it"
    assert before <= request.received_at <= time.time()
    assert repr(request) == ("<ModelRequest 1: POST /v1/responses, prompt='do it', 1 tool outputs>")


def test_a_planted_key_is_seen_but_not_kept(serve, http):
    model = serve("hi")
    body = {"stream": True, "input": "hi"}
    http.post(
        f"{model.url}/v1/responses", json=body, headers={"authorization": "Bearer sk-planted"}
    )
    [request] = model.requests
    assert request.credential_is("sk-planted")
    assert not request.credential_is("sk-other")
    assert request.headers["authorization"].startswith("Bearer [masked:")


def test_sixteen_parallel_answers_are_not_mixed(serve, ask, events_of):
    model = serve(Text.echo("You said: {prompt}"))
    prompts = [f"prompt {number}" for number in range(50)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda prompt: text_of(ask(model, prompt), events_of), prompts))
    assert answers == [f"You said: {prompt}" for prompt in prompts]
    assert sorted(request.prompt for request in model.requests) == sorted(prompts)
    assert [request.number for request in model.requests] == list(range(1, 51))


def test_many_deltas_come_fast_and_complete(serve, ask, events_of):
    model = serve(Text.deltas(20_000))
    started = time.perf_counter()
    response = ask(model)
    assert time.perf_counter() - started < 3
    deltas = [
        event["delta"]
        for event in events_of(response.text)
        if event["type"] == "response.output_text.delta"
    ]
    assert deltas == Text.deltas(20_000).text


def test_a_function_may_be_the_script(serve, ask, events_of):
    model = serve(lambda request: f"{request.prompt} {len(request.tool_outputs)}")
    assert text_of(ask(model, "a", ["x"]), events_of) == "a 1"


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        (
            [shell("ls")],
            "no_scripted_reply",
            (
                "the script has no reply to the prompt 'hi' with 1 tool outputs; add one, or a "
                "rule for this prompt"
            ),
        ),
        (
            lambda request: {}["key"],
            "script_failed",
            "the script raised KeyError('key')",
        ),
        (
            lambda request: 5,
            "script_failed",
            (
                "the script raised TypeError('a reply is a text, a part, a list of both, or a "
                "failure; not 5')"
            ),
        ),
    ],
)
def test_a_mistake_in_the_script_is_told_to_agent_and_test(serve, ask, script, code, message):
    model = serve(script)
    ask(model) if isinstance(script, list) else None
    response = ask(model, outputs=["x"])
    assert response.status_code == 400
    assert response.json() == {
        "error": {"message": message, "type": code, "code": code, "param": None}
    }
    with pytest.raises(AssertionError) as caught:
        model.assert_all_used()
    assert str(caught.value) == f"request {len(model.requests)}: {message}"


def test_a_script_that_cannot_be_played_is_refused_at_once():
    with pytest.raises(ScriptError, match=r"what follows default\[0\] is never reached"):
        LoopbackModel(["one", "two"])


def test_all_used(serve, ask):
    model = serve(Script([shell("ls"), "done"], rules=[Rule("x", equals="x")]))
    ask(model)
    with pytest.raises(AssertionError) as caught:
        model.assert_all_used()
    assert str(caught.value) == "default[1] was never given\nrules[0].replies[0] was never given"
    ask(model, outputs=["a"])
    ask(model, "x")
    model.assert_all_used()


def test_a_refusal_has_status_headers_and_body(serve, ask):
    model = serve(
        [HttpError(503, headers={"Retry-After": "7"}, times=1), HttpError(418, body="tea")]
    )
    first, second = ask(model), ask(model)
    assert (first.status_code, first.headers["retry-after"]) == (503, "7")
    assert first.json()["error"]["code"] == "server_is_overloaded"
    assert (second.status_code, second.text) == (418, "tea")
    assert second.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_usage_limit_is_a_429(serve, ask):
    response = ask(serve(UsageLimit("pro", resets_at=5000, resets_in=9)))
    assert response.status_code == 429
    assert response.json()["error"] == {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "pro",
        "resets_at": 5000,
        "resets_in_seconds": 9,
    }


OPENING = ["created", "in_progress", "output_item.added", "content_part.added"]
CLOSING = ["output_text.done", "content_part.done", "output_item.done"]
DELTA = "output_text.delta"


@pytest.mark.parametrize("ending", [Failed, Incomplete])
@pytest.mark.parametrize(
    ("after", "before"),
    [
        (None, [*OPENING, DELTA, DELTA, *CLOSING]),
        (9, [*OPENING, DELTA, DELTA, *CLOSING]),
        (2, [*OPENING, DELTA, DELTA]),
        (1, [*OPENING, DELTA]),
        (0, OPENING[:2]),
    ],
)
def test_an_answer_can_end_badly_after_some_deltas(serve, ask, events_of, ending, after, before):
    model = serve(Reply("one two", ending=ending("why", after=after)))
    last = "failed" if ending is Failed else "incomplete"
    assert types(ask(model), events_of) == [*before, last]


def stream_of(model, http):
    body = {"stream": True, "input": "hi"}
    return http.stream("POST", f"{model.url}/v1/responses", json=body)


@pytest.mark.parametrize(("after", "deltas"), [(None, 2), (2, 2), (1, 1), (0, 0)])
def test_a_cut_delivers_what_came_before_it(serve, http, after, deltas):
    model = serve(Reply("one two", ending=Cut(after=after)))
    chunks = []
    with (
        pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"),
        stream_of(model, http) as response,
    ):
        chunks.extend(response.iter_bytes())
    received = b"".join(chunks)
    assert received.count(b"event: response.output_text.delta\n") == deltas
    assert (b"response.output_item.done" in received) is (after is None)
    assert b"response.completed" not in received


def test_a_cut_that_is_not_repeated(serve, ask, events_of):
    model = serve([Reply("one two", ending=Cut(after=1, times=1)), "recovered"])
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(model)
    assert text_of(ask(model), events_of) == "recovered"


def test_a_hang_lasts_until_the_client_goes_away(serve, http):
    model = serve(Reply("one two", ending=Hang(after=1)))
    with stream_of(model, http) as response:
        received = ""
        chunks = response.iter_text()
        while DELTA not in received:
            received += next(chunks)
        with pytest.raises(TimeoutError, match="no client 1 went away within 0 s; so far: "):
            model.wait_for_disconnect(timeout=0)
    assert model.wait_for_disconnect() is model.requests[0]


def test_a_whole_answer_is_no_disconnect(serve, ask):
    model = serve("hi")
    ask(model)
    with pytest.raises(TimeoutError):
        model.wait_for_disconnect(timeout=0)


def test_a_reply_stops_at_a_gate_until_it_is_released(serve, http):
    model = serve(Text(["one ", Hold("middle"), "two"]))
    with stream_of(model, http) as response:
        chunks = response.iter_text()
        received = ""
        while '"delta":"one "' not in received:
            received += next(chunks)
        model.wait_until_held("middle")
        assert "two" not in received
        model.release("middle")
        received += "".join(chunks)
    assert '"text":"one two"' in received


def test_a_gate_between_parts_lets_nothing_of_the_second_through(serve, http, events_of):
    model = serve([["one", Hold("gate"), shell("ls")], "done"])
    with stream_of(model, http) as response:
        chunks = response.iter_text()
        received = ""
        while "output_item.done" not in received:
            received += next(chunks)
        model.wait_until_held("gate")
        assert "function_call" not in received
        model.release("gate")
        received += "".join(chunks)
    assert events_of(received)[-1]["type"] == "response.completed"


def test_a_released_gate_stays_open_until_it_is_held_again(serve, ask, events_of):
    model = serve([[Hold("gate"), "hi"]])
    model.release("gate")
    assert text_of(ask(model), events_of) == "hi"
    model.hold("gate")
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, model) for _ in range(2)]
        model.wait_until_held("gate", count=2)
        assert not any(answer.done() for answer in answers)
        model.release("gate")
        assert [text_of(answer.result(20), events_of) for answer in answers] == ["hi", "hi"]


def test_waiting_for_a_gate_says_what_is_held(serve, http):
    model = serve([[Hold("one"), "hi"]])
    with stream_of(model, http):
        model.wait_until_held("one")
        with pytest.raises(TimeoutError) as caught:
            model.wait_until_held("two", count=3, timeout=0)
    assert str(caught.value) == (
        "0 of 3 answers are held at 'two' after 0 s; held anywhere: {'one': 1}"
    )


def test_a_client_that_goes_away_is_held_no_longer(serve, http):
    model = serve([[Hold("gate"), "hi"]])
    with stream_of(model, http):
        model.wait_until_held("gate")
    model.wait_for_disconnect()
    with pytest.raises(TimeoutError):
        model.wait_until_held("gate", timeout=0)


def test_waiting_for_a_request(serve, ask):
    model = serve("hi")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(model.wait_for_request, 2)
        ask(model, "one")
        assert not waiting.done()
        ask(model, "two")
        assert waiting.result(20).prompt == "two"
    with pytest.raises(TimeoutError) as caught:
        model.wait_for_request(3, timeout=0)
    assert str(caught.value) == (
        "no request 3 within 0 s; arrived so far: [<ModelRequest 1: POST /v1/responses, "
        "prompt='one'>, <ModelRequest 2: POST /v1/responses, prompt='two'>]"
    )


def test_delays_part_the_deltas_but_change_nothing_else(serve, ask, events_of):
    response = ask(serve(Reply("a b c", wait=0.001, delay=0.001, headers={"X-Limit": "5"})))
    assert response.headers["x-limit"] == "5"
    assert types(response, events_of) == [*OPENING, DELTA, DELTA, DELTA, *CLOSING, "completed"]
    assert text_of(response, events_of) == "a b c"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "message"),
    [
        (
            "GET",
            "/v1/models?key=sk-planted",
            {},
            404,
            "the loopback model serves nothing at GET /v1/models?key=[masked:ae1e]",
        ),
        ("POST", "/v1/nothing", {}, 404, "the loopback model serves nothing at POST /v1/nothing"),
        ("GET", "/v1/responses", {}, 404, "the loopback model serves nothing at GET /v1/responses"),
        (
            "GET",
            "/v1/responses",
            {"upgrade": "websocket"},
            426,
            "the loopback model speaks HTTP only",
        ),
    ],
)
def test_what_is_not_served_is_refused_and_kept(
    serve, http, method, path, headers, status, message
):
    model = serve("hi")
    response = http.request(method, f"{model.url}{path}", headers=headers, content=b"no json")
    assert response.status_code == status
    assert response.json()["error"]["message"] == message
    [request] = model.requests
    assert (request.method, request.api, request.body) == (method, "", {})
    assert repr(request) == f"<ModelRequest 1: {method} {request.path}>"
    model.wait_for_request(1)


def test_nothing_is_answered_without_the_token(serve, http):
    model = serve("hi")
    origin, token = model.url.rsplit("/", 1)
    body = {"stream": True, "input": "hi"}
    for path in ("/v1/responses", f"/{token}x/v1/responses", "/x/v1/responses"):
        assert http.post(origin + path, json=body).status_code == 404
    assert [request.path for request in model.requests] == [
        "/v1/responses",
        f"/{token}x/v1/responses",
        "/x/v1/responses",
    ]


def test_a_gzip_body_is_read(serve, http, events_of):
    model = serve(Text.echo())
    body = gzip.compress(json.dumps({"stream": True, "input": "packed"}).encode())
    response = http.post(
        f"{model.url}/v1/responses", content=body, headers={"content-encoding": "gzip"}
    )
    assert text_of(response, events_of) == "packed"


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("zstd", b"x", "bodies encoded as 'zstd' cannot be read; send it plain or gzip"),
        ("gzip", b"x", "the body is not gzip: Not a gzipped file (b'x')"),
        ("identity", b"{", "Input data was truncated"),
        ("identity", b"[1]", "Expected `object`, got `array`"),
        ("identity", b"", 'only streamed responses are scripted: send "stream": true'),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(serve, http, encoding, body, message):
    model = serve(HttpError(500))
    response = http.post(
        f"{model.url}/v1/responses", content=body, headers={"content-encoding": encoding}
    )
    assert (response.status_code, response.json()["error"]["message"]) == (400, message)
    with pytest.raises(AssertionError, match="request 1: "):
        model.assert_all_used()


def test_every_request_is_told_to_the_callback(serve, ask):
    seen = []
    model = serve("hi", on_request=seen.append)
    ask(model)
    ask(model)
    assert seen == list(model.requests)


def test_options_for_codex(serve):
    model = serve("hi")
    options = model.client_options("codex")
    home = Path(options["env"]["CODEX_HOME"])
    assert options == {
        "env": {"CODEX_HOME": str(home)},
        "provider_options": {
            "config": {
                "model": "gpt-5.5",
                "model_provider": "loopback",
                "model_providers.loopback": {
                    "name": "loopback",
                    "base_url": f"{model.url}/v1",
                    "wire_api": "responses",
                    "request_max_retries": 0,
                    "stream_max_retries": 0,
                },
                "features.plugins": False,
                "features.shell_snapshot": False,
                "features.unbounded_connection_retries": False,
                "analytics.enabled": False,
            }
        },
        "ledger": False,
    }
    assert list(home.iterdir()) == []
    assert stat.S_IMODE(home.stat().st_mode) == stat.S_IMODE(home.parent.stat().st_mode) == 0o700
    assert model.client_options("codex") == options
    (home / "sessions").mkdir()
    model.close()
    assert not home.parent.exists()


def test_options_for_an_unknown_provider(serve):
    with pytest.raises(ValueError, match=r"no client options for 'nobody'; it has them for: codex"):
        serve("hi").client_options("nobody")


def test_a_model_that_does_not_serve_has_no_address(serve):
    model = LoopbackModel("hi")
    for call in (lambda: model.url, lambda: model.client_options("codex")):
        with pytest.raises(RuntimeError, match="use it in a `with` block"):
            call()
    model.close()


def test_the_port_may_be_chosen(serve):
    free = serve("hi")
    port = int(free.url.split(":")[2].split("/")[0])
    free.close()
    assert serve("hi", port=port).url.startswith(f"http://127.0.0.1:{port}/")


def test_closing_with_answers_held_leaves_no_thread(http):
    before = set(threading.enumerate())
    with (
        LoopbackModel([[Hold("gate"), "hi"]]) as model,
        stream_of(model, http) as response,
    ):
        model.wait_until_held("gate")
        model.close()
        with pytest.raises(httpx2.TransportError):
            response.read()
    assert set(threading.enumerate()) == before


async def test_a_model_serves_in_async_with(events_of):
    async with LoopbackModel(Text.echo()) as model, httpx2.AsyncClient(trust_env=False) as client:
        url = f"{model.url}/v1/responses"
        answers = await asyncio.gather(
            *(client.post(url, json={"stream": True, "input": f"p{n}"}) for n in range(5))
        )
    assert [text_of(answer, events_of) for answer in answers] == [f"p{n}" for n in range(5)]
