"""The protocol types read what real app-servers wrote, and what none of them has written yet.

`rows/codex-VERSION/SCENARIO.jsonl` holds everything a real codex of that version sent in that
scenario, line by line (machine paths replaced by /w, the vendor's longer texts shortened).
"""

import gc
import io
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from signedin.providers.codex import protocol as p

ROWS = Path(__file__).parent / "rows"
OLD, NEW = "codex-0.163", "codex-0.169"
VERSIONS = (OLD, NEW)

_TURN = ("initialize", "thread/start", "turn/start")
# What the client asked in the scenarios that are about more than a turn, in order.
ASKED = {
    "account": (
        "initialize",
        "account/read",
        "account/rateLimits/read",
        "account/login/start",
        "account/read",
        "account/login/start",
        "account/login/cancel",
        "account/logout",
    ),
    "background_command": (*_TURN, "thread/backgroundTerminals/clean"),
    "catalogue": (
        "initialize",
        "thread/start",
        "model/list",
        "mcpServerStatus/list",
        "skills/list",
    ),
    "compact": (*_TURN, "thread/compact/start"),
    "interrupt": (*_TURN, "turn/interrupt"),
    "resume": ("initialize", "thread/resume", "turn/start"),
    "review": ("initialize", "thread/start", "review/start"),
    "steer": (*_TURN, "turn/steer"),
    "threads": (
        *_TURN,
        "thread/name/set",
        "thread/list",
        "thread/loaded/list",
        "thread/read",
        "thread/turns/list",
        "thread/items/list",
        "thread/fork",
        "thread/unsubscribe",
        "thread/archive",
        "thread/unarchive",
        "thread/resume",
        "thread/delete",
    ),
}
# Notifications that nobody here needs.
UNUSED = {
    "remoteControl/status/changed",
    "thread/goal/cleared",
    "thread/readState/changed",
    "thread/settings/updated",
}
# What 0.169 sends and 0.163 does not know.
NEW_FIELDS = {
    "attachedToThreadId",
    "completedAtMs",
    "contentTokenCount",
    "moderation",
    "startedAtMs",
    "toolListMeta",
    "userId",
}


def _rows(version: str, scenario: str) -> list[dict[str, object]]:
    lines = (ROWS / version / f"{scenario}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def _scenarios() -> list[tuple[str, str]]:
    return [(version, path.stem) for version in VERSIONS for path in (ROWS / version).iterdir()]


def _read(kind: type[p.Incoming], value: object) -> p.Incoming:
    return p.decoder(kind).decode(msgspec.json.encode(value))


def _message_type(method: str, row: dict[str, object]) -> type[p.Incoming] | None:
    if "id" in row:
        return p.SERVER_REQUESTS[method].params
    return p.NOTIFICATIONS.get(method)


def _messages(version: str, scenario: str) -> Iterator[tuple[type[p.Incoming], object]]:
    """Everything with a type of ours: notifications, requests of the server, results."""
    asked = iter(ASKED.get(scenario, ()))
    for row in _rows(version, scenario):
        if "method" in row:
            method = str(row["method"])
            kind = _message_type(method, row)
            assert (kind is None) == (method in UNUSED)
            if kind is not None:
                yield kind, row["params"]
        elif scenario in ASKED:
            method = next(asked)
            if "result" in row:
                yield p.REQUESTS[method].result, row["result"]
    assert next(asked, None) is None


def _lost(wire: object, read: object, path: str = "") -> Iterator[str]:
    """The fields of the wire's message that the typed one does not have."""
    if isinstance(wire, dict) and isinstance(read, dict):
        for name, value in wire.items():
            if name in read:
                yield from _lost(value, read[name], name)
            else:
                yield name
    elif isinstance(wire, list) and isinstance(read, list) and len(wire) == len(read):
        for one, other in zip(wire, read, strict=True):
            yield from _lost(one, other, path)
    elif wire != read:
        yield f"{path}: {wire!r} is read as {read!r}"


@pytest.mark.parametrize(("version", "scenario"), _scenarios())
def test_real_messages_are_read_whole(version: str, scenario: str) -> None:
    lost: set[str] = set()
    for kind, wire in _messages(version, scenario):
        read = _read(kind, wire)
        assert "UnknownThreadItem" not in repr(read)
        lost |= set(_lost(wire, msgspec.json.decode(msgspec.json.encode(read))))
    assert lost <= (NEW_FIELDS if version == NEW else set())


def test_both_versions_have_the_same_scenarios() -> None:
    names = {version: {s for v, s in _scenarios() if v == version} for version in VERSIONS}
    assert names[OLD] == names[NEW]
    assert set(ASKED) < names[OLD]


def test_new_fields_are_really_sent_by_the_newer_version() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROWS / NEW).iterdir())
    assert {name for name in NEW_FIELDS if f'"{name}"' in text} == NEW_FIELDS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_turn_from_its_first_to_its_last_notification(version: str) -> None:
    read = [_read(kind, wire) for kind, wire in _messages(version, "command")]
    turn = [message for message in read if getattr(message, "turn_id", None)]
    thread_id, turn_id = turn[0].thread_id, turn[0].turn_id
    assert {(message.thread_id, message.turn_id) for message in turn} == {(thread_id, turn_id)}
    assert [_told(message) for message in read] == [
        "config: Codex could not find bubblewrap",
        "thread started: /w",
        "thread: active ()",
        "turn started: inProgress",
        "userMessage started",
        "userMessage completed: Run it.",
        "reasoning started",
        "summary part 0",
        "summary '**Running** '",
        "summary 'it '",
        "reasoning completed: **Running** it",
        "commandExecution started",
        "output 'two\\n'",
        "commandExecution completed: 'one\\ntwo\\n' 0",
        "tokens: 15",
        "limits of codex",
        "agentMessage started",
        "text 'Done.'",
        "agentMessage completed: Done.",
        "tokens: 30",
        "limits of codex",
        "thread: idle ()",
        "turn completed: completed",
    ]


def _told(message: p.Incoming) -> str:
    match message:
        case p.ConfigWarningNotification():
            return f"config: {message.summary[:31]}"
        case p.ThreadStartedNotification():
            return f"thread started: {message.thread.cwd}"
        case p.ThreadStatusChangedNotification():
            return f"thread: {message.status.type} {message.status.active_flags}"
        case p.TurnStartedNotification():
            return f"turn started: {message.turn.status}"
        case p.TurnCompletedNotification():
            return f"turn completed: {message.turn.status}"
        case p.ItemStartedNotification():
            return f"{message.item.type} started"
        case p.ItemCompletedNotification():
            return f"{message.item.type} completed: {_content(message.item)}"
        case p.ReasoningSummaryPartAddedNotification():
            return f"summary part {message.summary_index}"
        case p.ReasoningSummaryTextDeltaNotification():
            return f"summary {message.delta!r}"
        case p.CommandExecutionOutputDeltaNotification():
            return f"output {message.delta!r}"
        case p.AgentMessageDeltaNotification():
            return f"text {message.delta!r}"
        case p.ThreadTokenUsageUpdatedNotification():
            return f"tokens: {message.token_usage.total.total_tokens}"
        case p.AccountRateLimitsUpdatedNotification():
            return f"limits of {message.rate_limits.limit_id}"
        case _:
            raise AssertionError(message)


def _content(item: p.ThreadItem) -> str:
    match item:
        case p.UserMessageThreadItem():
            return "".join(part.text or "" for part in item.content)
        case p.ReasoningThreadItem():
            return " ".join(item.summary)
        case p.CommandExecutionThreadItem():
            return f"{item.aggregated_output!r} {item.exit_code}"
        case p.AgentMessageThreadItem():
            return item.text
        case _:
            raise AssertionError(item)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("scenario", "status", "info"),
    [
        ("failed_mid_stream", "failed", "contextWindowExceeded"),
        ("usage_limit", "failed", "usageLimitExceeded"),
        ("interrupt", "interrupted", None),
        ("text", "completed", None),
    ],
)
def test_how_a_turn_ends(version: str, scenario: str, status: str, info: str | None) -> None:
    *_, last = (read for kind, wire in _messages(version, scenario) for read in [_read(kind, wire)])
    assert isinstance(last, p.TurnCompletedNotification)
    assert last.turn.status == status
    assert (last.turn.error and last.turn.error.codex_error_info) == info


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_says_what_it_was_about(version: str) -> None:
    errors = [
        read
        for kind, wire in _messages(version, "cut_stream")
        if isinstance(read := _read(kind, wire), p.ErrorNotification)
    ]
    assert [(error.will_retry, error.error.codex_error_info) for error in errors] == [
        (True, {"responseStreamDisconnected": {"httpStatusCode": None}}),
        (False, "other"),
    ]


# What nobody has written yet


def test_an_unknown_method_has_no_type() -> None:
    assert p.NOTIFICATIONS.decoder("item/hologram/delta") is None
    assert "item/hologram/delta" not in p.NOTIFICATIONS
    with pytest.raises(KeyError, match="item/hologram/delta"):
        p.NOTIFICATIONS["item/hologram/delta"]
    with pytest.raises(KeyError, match="hologram/show"):
        p.SERVER_REQUESTS["hologram/show"]


def test_unknown_fields_are_ignored() -> None:
    assert _read(
        p.AgentMessageDeltaNotification,
        {"threadId": "t", "turnId": "u", "itemId": "i", "delta": "hi", "mood": {"a": [1]}},
    ) == p.AgentMessageDeltaNotification(thread_id="t", turn_id="u", item_id="i", delta="hi")


def test_unknown_enum_values_are_kept() -> None:
    read = _read(
        p.TurnCompletedNotification,
        {
            "threadId": "t",
            "turn": {
                "id": "u",
                "status": "paused",
                "itemsView": "folded",
                "error": {"message": "m", "codexErrorInfo": {"solarFlare": {"kp": 9}}},
            },
        },
    )
    assert read == p.TurnCompletedNotification(
        thread_id="t",
        turn=p.Turn(
            id="u",
            status="paused",
            items_view="folded",
            error=p.TurnError(message="m", codex_error_info={"solarFlare": {"kp": 9}}),
        ),
    )


def test_unknown_items_are_kept_whole_among_known_ones() -> None:
    hologram = {"type": "hologram", "id": "i2", "voxels": [[1, 2], None]}
    read = _read(
        p.Turn,
        {"id": "u", "items": [{"type": "plan", "id": "i1", "text": "x"}, hologram]},
    )
    assert read == p.Turn(
        id="u",
        items=(
            p.PlanThreadItem(id="i1", text="x"),
            p.UnknownThreadItem(id="i2", type="hologram", raw=hologram),
        ),
    )


def test_a_known_item_of_another_shape_is_kept_whole() -> None:
    changed = {"type": "fileChange", "id": "i", "changes": {"a.py": "+x"}}
    read = _read(p.ItemStartedNotification, {"threadId": "t", "turnId": "u", "item": changed})
    assert read == p.ItemStartedNotification(
        thread_id="t",
        turn_id="u",
        item=p.UnknownThreadItem(id="i", type="fileChange", raw=changed),
    )


def test_unknown_variants_of_other_unions_keep_their_tag() -> None:
    read = _read(p.ThreadStatusChangedNotification, {"threadId": "t", "status": {"type": "moving"}})
    assert read == p.ThreadStatusChangedNotification(
        thread_id="t", status=p.ThreadStatus(type="moving")
    )


@pytest.mark.parametrize(
    ("kind", "least", "read"),
    [
        (
            p.ItemCompletedNotification,
            {"threadId": "t", "turnId": "u", "item": {"type": "commandExecution", "id": "i"}},
            p.ItemCompletedNotification(
                thread_id="t",
                turn_id="u",
                item=p.CommandExecutionThreadItem(
                    id="i", command="", cwd="", status="", source="agent", exit_code=None
                ),
            ),
        ),
        (
            p.ThreadTokenUsageUpdatedNotification,
            {"threadId": "t", "turnId": "u"},
            p.ThreadTokenUsageUpdatedNotification(
                thread_id="t",
                turn_id="u",
                token_usage=p.ThreadTokenUsage(total=p.TokenUsageBreakdown(total_tokens=0)),
            ),
        ),
        (
            p.ThreadStartResponse,
            {"thread": {"id": "t"}},
            p.ThreadStartResponse(
                thread=p.Thread(id="t", status=p.ThreadStatus(type=""), turns=()),
                sandbox=p.SandboxPolicy(type=""),
                approval_policy="",
            ),
        ),
        (p.InitializeResponse, {}, p.InitializeResponse(user_agent="", codex_home="")),
        (p.GetAccountResponse, {}, p.GetAccountResponse(account=None)),
    ],
)
def test_absent_fields_read_as_empty(
    kind: type[p.Incoming], least: object, read: p.Incoming
) -> None:
    assert _read(kind, least) == read


@pytest.mark.parametrize(
    ("kind", "wire", "message"),
    [
        (
            p.AgentMessageDeltaNotification,
            {"threadId": "t", "turnId": "u"},
            "Object missing required field `itemId`",
        ),
        (
            p.TurnCompletedNotification,
            {"threadId": "t", "turn": {"id": 5}},
            "Expected `str`, got `int` - at `$.turn.id`",
        ),
        (
            p.ItemStartedNotification,
            {"threadId": "t", "turnId": "u", "item": {"id": "i"}},
            "Expected `object` with a string `type`",
        ),
        (
            p.ItemStartedNotification,
            {"threadId": "t", "turnId": "u", "item": "plan"},
            "Expected `object` with a string `type`",
        ),
        (p.WarningNotification, ["m"], "Expected `object`, got `array`"),
    ],
)
def test_what_cannot_be_read(kind: type[p.Incoming], wire: object, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        _read(kind, wire)
    assert str(caught.value).startswith(message)


def _incoming() -> list[type[p.Incoming]]:
    results = [exchange.result for exchange in p.REQUESTS.values()]
    asked = [request.params for request in p.SERVER_REQUESTS.values()]
    return [*p.NOTIFICATIONS.values(), *p.NEWS.values(), *results, *asked]


def _field_names() -> list[str]:
    kinds = [getattr(p, name) for name in p.__all__]
    structs = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, p.Incoming)]
    return sorted({name for kind in structs for name in kind.__struct_encode_fields__})


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_field_names()) | st.text(), inner, max_size=6)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(kind=st.sampled_from(_incoming()), wire=_anything)
def test_anything_else_is_a_validation_error(kind: type[p.Incoming], wire: object) -> None:
    _read_or_refuse(kind, wire)


@settings(deadline=None)
@given(data=st.data(), scenario=st.sampled_from(_scenarios()), value=_anything)
def test_real_messages_with_one_value_replaced(
    data: st.DataObject, scenario: tuple[str, str], value: object
) -> None:
    kind, wire = data.draw(st.sampled_from(list(_messages(*scenario))))
    _read_or_refuse(kind, _replaced(data, json.loads(json.dumps(wire)), value))


def _replaced(data: st.DataObject, wire: object, value: object) -> object:
    """`wire` with the value of one place in it replaced."""
    if isinstance(wire, dict) and wire and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(wire)))
        return {**wire, name: _replaced(data, wire[name], value)}
    if isinstance(wire, list) and wire and data.draw(st.booleans()):
        return [_replaced(data, wire[0], value), *wire[1:]]
    return value


def _read_or_refuse(kind: type[p.Incoming], wire: object) -> None:
    try:
        read = p.decoder(kind).decode(json.dumps(wire).encode())
    except msgspec.ValidationError:
        return
    assert isinstance(read, kind)


# What goes out


def _sent(message: p.Outgoing) -> object:
    return json.loads(msgspec.json.encode(message))


def test_only_what_is_set_is_sent() -> None:
    params = p.TurnStartParams(
        thread_id="t",
        input=[
            p.TextUserInput(text="Hi"),
            p.LocalImageUserInput(path="/w/a.png"),
            p.TextUserInput(
                text="$x",
                text_elements=[p.TextElementParam(byte_range=p.ByteRangeParam(start=0, end=2))],
            ),
        ],
        approval_policy="never",
        sandbox_policy=p.WorkspaceWriteSandboxPolicy(network_access=True),
        output_schema={"type": "object"},
        service_tier=None,
    )
    assert _sent(params) == {
        "threadId": "t",
        "input": [
            {"type": "text", "text": "Hi"},
            {"type": "localImage", "path": "/w/a.png"},
            {
                "type": "text",
                "text": "$x",
                "text_elements": [{"byteRange": {"start": 0, "end": 2}}],
            },
        ],
        "approvalPolicy": "never",
        "sandboxPolicy": {"type": "workspaceWrite", "networkAccess": True},
        "outputSchema": {"type": "object"},
        "serviceTier": None,
    }


def test_a_thread_with_tools_and_a_granular_policy() -> None:
    params = p.ThreadStartParams(
        cwd="/w",
        approval_policy=p.GranularAskForApproval(
            granular=p.GranularAskForApprovalValue(
                sandbox_approval=False, rules=True, mcp_elicitations=True
            )
        ),
        dynamic_tools=[
            p.FunctionDynamicToolSpec(name="weather", description="", input_schema={}),
            p.NamespaceDynamicToolSpec(name="all", description="", tools=[]),
        ],
    )
    assert _sent(params) == {
        "cwd": "/w",
        "approvalPolicy": {
            "granular": {"sandbox_approval": False, "rules": True, "mcp_elicitations": True}
        },
        "dynamicTools": [
            {"type": "function", "name": "weather", "description": "", "inputSchema": {}},
            {"type": "namespace", "name": "all", "description": "", "tools": []},
        ],
    }


def test_answers_to_the_server() -> None:
    always = p.AcceptWithExecpolicyAmendmentCommandExecutionApprovalDecision(
        accept_with_execpolicy_amendment=(
            p.AcceptWithExecpolicyAmendmentCommandExecutionApprovalDecisionValue(
                execpolicy_amendment=["ls"]
            )
        )
    )
    assert _sent(p.CommandExecutionRequestApprovalResponse(decision="accept")) == {
        "decision": "accept"
    }
    assert _sent(p.CommandExecutionRequestApprovalResponse(decision=always)) == {
        "decision": {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["ls"]}}
    }
    assert _sent(p.McpServerElicitationRequestResponse(action="decline", content=None)) == {
        "action": "decline",
        "content": None,
    }
    assert _sent(p.McpServerElicitationRequestResponse(action="accept", meta={"persist": "x"})) == {
        "action": "accept",
        "_meta": {"persist": "x"},
    }
    answers = {"color": p.ToolRequestUserInputAnswer(answers=["Blue"])}
    assert _sent(p.ToolRequestUserInputResponse(answers=answers)) == {
        "answers": {"color": {"answers": ["Blue"]}}
    }


def test_what_the_server_requires_is_required() -> None:
    with pytest.raises(TypeError, match="Missing required argument 'thread_id'"):
        p.TurnStartParams(input=[])  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="Missing required argument 'input'"):
        p.TurnStartParams(thread_id="t")  # pyright: ignore[reportCallIssue]


def test_every_login_can_be_asked_for() -> None:
    asked = p.REQUESTS["account/login/start"].params
    assert asked is p.LoginAccountParams
    login = p.ChatgptLoginAccountParams()
    assert isinstance(login, asked)
    assert _sent(login) == {"type": "chatgpt"}
    assert p.REQUESTS["account/logout"] == p.Request(None, p.LogoutAccountResponse)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            p.ApiKeyLoginAccountParams(api_key="sk-1"),
            "ApiKeyLoginAccountParams(api_key='***')",
        ),
        (
            p.ChatgptAuthTokensRefreshResponse(access_token="eyJ", chatgpt_account_id="acct"),
            "ChatgptAuthTokensRefreshResponse(access_token='***', chatgpt_account_id='acct')",
        ),
        (
            p.ThreadStartParams(cwd="/w", config={"mcp_servers.x": {"env": {"TOKEN": "sk-1"}}}),
            "ThreadStartParams(config='***', cwd='/w')",
        ),
        (
            p.ToolRequestUserInputResponse(
                answers={"pin": p.ToolRequestUserInputAnswer(answers=["1234"])}
            ),
            "ToolRequestUserInputResponse(answers='***')",
        ),
    ],
)
def test_secrets_are_not_shown(message: p.Outgoing, shown: str) -> None:
    assert repr(message) == shown
    printed = io.StringIO()
    Console(file=printed, width=200).print(message)
    assert printed.getvalue().strip() == shown


# The package


def test_every_name_is_there() -> None:
    assert [name for name in p.__all__ if not hasattr(p, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'Hologram'"):
        p.Hologram  # pyright: ignore[reportAttributeAccessIssue]


def test_every_incoming_type_can_be_read() -> None:
    kinds = [getattr(p, name) for name in p.__all__]
    structs = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, p.Incoming)]
    assert len(structs) > 100
    for kind in structs:
        with pytest.raises(msgspec.ValidationError, match="Expected `object`, got `int`"):
            p.decoder(kind).decode(b"1")


def test_a_decoder_is_made_once() -> None:
    method = "item/agentMessage/delta"
    assert p.NOTIFICATIONS.decoder(method) is p.NOTIFICATIONS.decoder(method)
    assert p.NOTIFICATIONS.decoder(method) is p.decoder(p.NOTIFICATIONS[method])


@pytest.mark.parametrize(
    "method",
    [
        "item/agentMessage/delta",
        "item/commandExecution/outputDelta",
        "item/plan/delta",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/textDelta",
    ],
)
def test_deltas_cost_the_garbage_collector_nothing(method: str) -> None:
    read = _read(
        p.NOTIFICATIONS[method], {"threadId": "t", "turnId": "u", "itemId": "i", "delta": "x"}
    )
    assert not gc.is_tracked(read)
    with pytest.raises(AttributeError, match="immutable type"):
        read.delta = "y"  # pyright: ignore[reportAttributeAccessIssue]
