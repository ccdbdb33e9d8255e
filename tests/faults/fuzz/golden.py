"""Golden material: what the programs say when all is well."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from unit.codex.test_protocol import ASKED

_CODEX = Path(__file__).parents[2] / "unit" / "codex" / "rows"


def codex_messages() -> list[list[object]]:
    """All that real Codex app-servers sent, a list per scenario."""
    return [
        [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
        for file in sorted(_CODEX.glob("*/*.jsonl"))
    ]


def codex_turns() -> list[list[object]]:
    """The part of `codex_messages` that is about threads, with placeholders for the ids."""
    return [told for messages in codex_messages() if (told := _renamed(messages))]


def _renamed(messages: list[object]) -> list[object]:
    told = [m for m in messages if "method" in cast("Mapping[str, object]", m)]
    text = msgspec.json.encode(told)
    for message in told:
        params = cast("Mapping[str, object]", cast("Mapping[str, object]", message)["params"])
        turn = params.get("turn")
        turn_id = turn.get("id") if isinstance(turn, Mapping) else params.get("turnId")
        for name, found in (("THREAD", params.get("threadId")), ("TURN", turn_id)):
            if found:
                text = text.replace(f'"{found}"'.encode(), f'"{name}"'.encode())
    return msgspec.json.decode(text, type=list[object])


Row = dict[str, object]

# --- Claude Code -------------------------------------------------------------------------------

_TOKENS = {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}}
_CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
_EDIT = {"type": "tool_use", "id": "t2", "name": "Edit", "input": {"file_path": "/a"}}
_TODO = {
    "type": "tool_use",
    "id": "t3",
    "name": "TodoWrite",
    "input": {"todos": [{"content": "a"}]},
}
_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x"}]}
_EDITED = {"filePath": "/a", "structuredPatch": [{"oldStart": 1, "lines": ["-a", "+b"]}]}


def _said(role: str, *content: object, **fields: object) -> Row:
    message = {"id": "m", "model": "opus", "content": [*content], "usage": _TOKENS}
    return {"type": role, "uuid": f"{role}{len(fields)}", "message": message, **fields}


def _system(subtype: str, /, **fields: object) -> Row:
    return {"type": "system", "subtype": subtype, "session_id": "s", **fields}


def _streamed(kind: str, /, **fields: object) -> Row:
    return {"type": "stream_event", "event": {"type": kind, **fields}}


_ASKED = {
    "type": "control_request",
    "request_id": "q1",
    "request": {
        "subtype": "can_use_tool",
        "tool_name": "Bash",
        "tool_use_id": "t1",
        "input": {"command": "ls"},
        "permission_suggestions": [{"type": "addRules", "rules": [{"toolName": "Bash"}]}],
    },
}
_TOOLS = {
    "type": "control_request",
    "request_id": "q2",
    "request": {
        "subtype": "mcp_message",
        "server_name": "signedin",
        "message": {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}},
    },
}
CLAUDE_ROWS: list[object] = [
    _system("init", model="opus", cwd="/", claude_code_version="2.1.330"),
    _system("thinking_tokens", tokens=5),
    _streamed("message_start", message={"id": "m"}),
    _streamed("content_block_start", index=0, content_block={"type": "text"}),
    _streamed("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi."}),
    _streamed("content_block_delta", index=1, delta={"type": "thinking_delta", "thinking": "Hm."}),
    _streamed("content_block_stop", index=0),
    _said("assistant", {"type": "text", "text": "Hi."}, {"type": "thinking", "thinking": "Hm."}),
    _said("assistant", _CALL, _EDIT, _TODO, error=None),
    _ASKED,
    _TOOLS,
    {"type": "control_cancel_request", "request_id": "q1"},
    _said("user", _RESULT, tool_use_result={"stdout": "x", "stderr": ""}),
    _said("user", {**_RESULT, "tool_use_id": "t2"}, tool_use_result=_EDITED),
    _system("api_retry", attempt=1, retry_delay_ms=5, error="x"),
    _system("permission_denied", tool_use_id="t1", tool_name="Bash"),
    {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 5.0}},
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Hi.",
        "usage": _TOKENS,
        "modelUsage": {"opus": {"costUSD": 1.0, "contextWindow": 5}},
        "total_cost_usd": 1.0,
    },
    _system("session_state_changed", state="idle"),
]
# Without the end, all of the rest counts.
CLAUDE_TURNS = [CLAUDE_ROWS, CLAUDE_ROWS[:-2]]
CLAUDE_ANSWER: Row = {
    "models": [{"value": "opus", "resolvedModel": "o", "supportedEffortLevels": ["low"]}],
    "account": {"email": "a@b.c", "tokenSource": "x", "subscriptionType": "max"},
    "subscription_type": "max",
    "rate_limits_available": True,
    "rate_limits": {"five_hour": {"utilization": 5, "resets_at": "2026-01-31T12:00:00Z"}},
    "errors": {"s": "reason"},
}
CLAUDE_STORED: list[object] = [
    _said("user", {"type": "text", "text": "Hello"}, timestamp="2026-01-31T12:00:00Z", cwd="/w"),
    _said("assistant", {"type": "text", "text": "Hi."}, parentUuid="user2", isSidechain=False),
    _said("user", _RESULT, parentUuid="assistant2", toolUseResult=_EDITED, isMeta=False),
    {"type": "custom-title", "customTitle": "Name", "uuid": ""},
]

# --- ACP ---------------------------------------------------------------------------------------


def _update(kind: str, /, **fields: object) -> Row:
    params = {"sessionId": "SESSION", "update": {"sessionUpdate": kind, **fields}}
    return {"jsonrpc": "2.0", "method": "session/update", "params": params}


def _chunk(kind: str, text: str, **fields: object) -> Row:
    return _update(f"agent_{kind}_chunk", content={"type": "text", "text": text}, **fields)


def _asks(method: str, number: object, **params: object) -> Row:
    params = {"sessionId": "SESSION", **params}
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


_TEXT = {"type": "content", "content": {"type": "text", "text": "out"}}
_DIFF = {"type": "diff", "path": "/w/f", "oldText": "a\n", "newText": "b\n"}
_OPTIONS = [{"optionId": "yes", "kind": "allow_once"}, {"optionId": "no", "kind": "reject_once"}]
ACP_ROWS: list[object] = [
    _update("available_commands_update", availableCommands=[{"name": "init"}]),
    _chunk("thought", "Hm.", messageId="1"),
    _chunk("message", "Hi ", messageId="1"),
    _chunk("message", "", _meta={"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
    _update("plan", entries=[{"content": "a", "status": "pending", "priority": "high"}]),
    _update("tool_call", toolCallId="t1", kind="execute", title="ls", rawInput={"command": "ls"}),
    _asks("session/request_permission", "q1", toolCall={"toolCallId": "t1"}, options=_OPTIONS),
    _update("tool_call_update", toolCallId="t1", status="in_progress", content=[_TEXT]),
    _update("tool_call_update", toolCallId="t1", status="completed", rawOutput={"exit": 3}),
    _update("tool_call", toolCallId="t2", kind="edit", content=[_DIFF], locations=[{"path": "f"}]),
    _update("tool_call_update", toolCallId="t2", status="completed", content=[_DIFF, _TEXT]),
    _asks("fs/read_text_file", 7, path="/w/nothing", line=1, limit=2),
    _asks("terminal/output", "q3", terminalId="none"),
    _update("usage_update", used=5, size=10),
    _update("current_mode_update", currentModeId="ask"),
]
_OPENCODE: list[object] = [
    _update(
        "tool_call", toolCallId="c", title="bash", kind="execute", status="pending", rawInput={}
    ),
    _update(
        "tool_call_update",
        toolCallId="c",
        status="completed",
        kind="execute",
        title="List",
        content=[_TEXT],
        rawInput={"command": "ls", "description": "List"},
        rawOutput={"output": "a\n", "metadata": {"output": "a\n", "exit": 0, "truncated": False}},
        _meta={"toolName": "bash", "claudeCode": {"toolName": "Bash"}},
    ),
    _update("tool_call", toolCallId="e", title="edit", kind="edit", rawInput={"filePath": "/w/f"}),
    _update("tool_call_update", toolCallId="e", rawOutput={"metadata": {"diff": "--- a\n+++ b\n"}}),
]
ACP_TURNS = [ACP_ROWS, _OPENCODE]
ACP_ANSWERS: dict[str, list[object]] = {
    "initialize": [
        {
            "protocolVersion": 1,
            "agentInfo": {"name": "a", "version": "1.0"},
            "agentCapabilities": {
                "loadSession": True,
                "promptCapabilities": {"image": True},
                "mcpCapabilities": {"http": True},
                "sessionCapabilities": {"list": {}, "resume": {}, "close": {}, "fork": {}},
            },
        }
    ],
    "session/new": [
        {
            "sessionId": "s",
            "modes": {"currentModeId": "ask", "availableModes": [{"id": "ask", "name": "Ask"}]},
            "models": {"currentModelId": "m", "availableModels": [{"modelId": "m", "name": "M"}]},
        },
        {
            "sessionId": "s",
            "configOptions": [
                {
                    "id": "model",
                    "category": "model",
                    "currentValue": "m",
                    "options": [{"value": "m", "name": "M"}, {"options": [{"value": "n"}]}],
                }
            ],
        },
    ],
    "session/prompt": [
        {"stopReason": "end_turn", "usage": {"inputTokens": 1, "totalTokens": 1}},
        {"stopReason": "x", "_meta": {"quota": {"token_count": {"input_tokens": 1}}}},
    ],
    "session/list": [
        {"sessions": [{"sessionId": "s", "cwd": "/w", "updatedAt": "2026-01-31T12:00:00Z"}]}
    ],
}

# --- Gemini and codex exec ---------------------------------------------------------------------

GEMINI_ROWS: list[object] = [
    {"type": "init", "timestamp": "t", "session_id": "s", "model": "gemini-2.5-pro"},
    {"type": "message", "role": "user", "content": "hi"},
    {"type": "message", "role": "assistant", "content": "I look.", "delta": True},
    {
        "type": "tool_use",
        "tool_name": "run_shell_command",
        "tool_id": "t1",
        "parameters": {"command": "ls"},
    },
    {
        "type": "tool_use",
        "tool_name": "replace",
        "tool_id": "t2",
        "parameters": {"file_path": "/f", "old_string": "a", "new_string": "b"},
    },
    {"type": "tool_result", "tool_id": "t1", "status": "success", "output": "x"},
    {
        "type": "tool_result",
        "tool_id": "t2",
        "status": "error",
        "error": {"type": "policy_violation", "message": "no"},
    },
    {"type": "error", "severity": "warning", "message": "careful"},
    {"type": "message", "role": "assistant", "content": "Found.", "delta": True},
    {
        "type": "result",
        "status": "success",
        "stats": {"total_tokens": 18, "input_tokens": 11, "output_tokens": 4, "cached": 2},
    },
]
GEMINI_FAILED: list[object] = [
    *GEMINI_ROWS[:3],
    {
        "type": "error",
        "severity": "error",
        "message": '{"error": {"code": 429, "message": "[{\\"error\\"',
    },
    {
        "type": "result",
        "status": "error",
        "error": {"type": "FatalError", "message": "got status: 429"},
    },
]


def _item(kind: str, row: str = "item.completed", /, **fields: object) -> Row:
    return {"type": row, "item": {"id": "i", "type": kind, **fields}}


EXEC_ROWS: list[object] = [
    {"type": "thread.started", "thread_id": "t"},
    {"type": "turn.started"},
    _item("reasoning", text="hm"),
    _item("command_execution", "item.started", command="ls", aggregated_output="", exit_code=None),
    _item("command_execution", command="ls", aggregated_output="x", exit_code=3, status="failed"),
    _item("file_change", changes=[{"path": "/f", "kind": "add"}], status="completed"),
    _item(
        "mcp_tool_call",
        server="s",
        tool="t",
        arguments={"a": 1},
        result={"content": []},
        error={"message": "no"},
    ),
    _item("web_search", query="python", action={"type": "search"}),
    _item("todo_list", "item.updated", items=[{"text": "a", "completed": True}]),
    _item("error", message="careful"),
    {"type": "error", "message": "Reconnecting... 2/5 (x)"},
    _item("agent_message", text="hi"),
    {
        "type": "turn.completed",
        "usage": {"input_tokens": 5, "cached_input_tokens": 1, "output_tokens": 2},
    },
]
EXEC_FAILED: list[object] = [
    *EXEC_ROWS[:3],
    {"type": "error", "message": '{"error": {"message": "no", "code": "usage_limit_reached"}}'},
    {"type": "turn.failed", "error": {"message": 'unexpected status 429: {"error": {}}'}},
]


def codex_answers(method: str) -> list[object]:
    """What real Codex app-servers answered to a request."""
    found: list[object] = []
    if method == "account/rateLimits/read":
        window = {"usedPercent": 5, "windowDurationMins": 300, "resetsAt": 1795255571}
        found.append({"rateLimits": {"primary": window, "secondary": None, "planType": "plus"}})
    if method == "turn/start":
        return [{"turn": {"id": "TURN", "items": [], "status": "inProgress", "error": None}}]
    for file in sorted(_CODEX.glob("*/*.jsonl")):
        asked = iter(ASKED.get(file.stem, ("initialize", "thread/start", "turn/start")))
        for line in file.read_bytes().splitlines():
            row = msgspec.json.decode(line, type=dict[str, object])
            if "method" not in row and next(asked, None) == method and "result" in row:
                found.append(row["result"])
    return found
