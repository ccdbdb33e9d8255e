"""A stand-in for `codex` that says what no real one says; the prompt names what."""

import json
import os
import sys
import threading

Turn = dict[str, str]

_output = sys.stdout.buffer
_writing = threading.Lock()
_answers: dict[object, dict[str, object]] = {}
_answered = threading.Condition()
_calm = threading.Event()
_calm.set()


def write(data: bytes) -> None:
    with _writing:
        _output.write(data)
        _output.flush()


def send(message: object) -> None:
    write(json.dumps(message).encode() + b"\n")


def notify(method: str, **params: object) -> None:
    send({"method": method, "params": params})


def delta(turn: Turn, text: str) -> None:
    notify("item/agentMessage/delta", **turn, itemId="m", delta=text)


def say(turn: Turn, text: str) -> None:
    """A whole message, and the end of the turn."""
    item = {"type": "agentMessage", "id": "m", "text": text}
    notify("item/completed", **turn, item=item)
    end(turn, "completed")


def end(turn: Turn, status: str) -> None:
    notify(
        "turn/completed", threadId=turn["threadId"], turn={"id": turn["turnId"], "status": status}
    )


def ask(identity: object, method: str, **params: object) -> dict[str, object]:
    """Asks the client and waits for its answer."""
    send({"id": identity, "method": method, "params": params})
    with _answered:
        _answered.wait_for(lambda: identity in _answers)
        return _answers.pop(identity)


# --- what can be said --------------------------------------------------------------------------

GARBAGE = [
    b"garbage",
    b"[1, 2]",
    b"17",
    b'"text"',
    b"null",
    b"true",
    b"{",
    b'{"method": }',
    b'{"method": "item/agentMessage/delta", "params": {"delta": "\xff\xfe"}}',
    b"\xff\xfe\x00",
    b"\x1b[31mred\x1b[0m",
    b"{}",
    b'{"result": {}}',
    b'{"id": 1.5, "result": {}}',
    b'{"id": 9999, "result": {}}',
    b'{"id": "nobody", "error": {"code": 1}}',
    b'{"id": null, "method": null}',
    b'{"id": {}, "method": []}',
    b"",
    b"   \t ",
    b"[" * 100_000,
]


def garbage(turn: Turn) -> None:
    for line in GARBAGE:
        delta(turn, ".")
        write(line + b"\r\n")
    say(turn, "after the garbage")


def unknown(turn: Turn) -> None:
    """Methods, fields, values and forms of a later version."""
    notify("thread/unheardOf", **turn, what={"is": "this"})
    notify("unheardOf/everywhere", what=1)
    notify("item/agentMessage/delta", **turn, itemId="m", delta="known ", unheardOf=[1])
    notify("item/agentMessage/delta", **turn, itemId="m")
    notify("item/agentMessage/delta", **turn, itemId=5, delta={})
    notify("item/started", **turn, item={"type": "unheardOf", "id": "u", "size": 3})
    notify("item/completed", **turn, item={"type": "unheardOf", "id": "u", "size": 3})
    notify("item/completed", **turn, item={"type": "commandExecution", "id": "c", "exitCode": "0"})
    notify("item/completed", **turn, item=None)
    notify("turn/completed", **turn, turn=None)
    command = {"type": "commandExecution", "id": "c", "command": "ls"}
    notify("item/started", **turn, item={**command, "status": "unheardOf", "source": "unheardOf"})
    notify("item/completed", **turn, item={**command, "status": "unheardOf", "exitCode": 0})
    for params in (None, [], [1], "text", 5):
        send({"method": "item/agentMessage/delta", "params": params})
    send({"method": "item/agentMessage/delta"})
    send({"method": "turn/completed", "jsonrpc": "3.0", "extra": 1})
    say(turn, "known and unknown")


def question(turn: Turn) -> None:
    """Requests nobody knows, about this thread, another one and none."""
    answers = [
        ask(0, "item/unheardOf/request", **turn),
        ask("text id", "unheardOf/request"),
        ask(1, "item/commandExecution/requestApproval", threadId="another", turnId="t"),
        ask(2, "item/commandExecution/requestApproval", threadId=turn["threadId"]),
        ask(3, "item/tool/call", **turn, callId="c", tool="nobody's", arguments={}),
    ]
    say(turn, json.dumps(answers))


def huge(turn: Turn) -> None:
    delta(turn, "x" * 30_000_000)
    say(turn, "after 30 MB")


def flood(turn: Turn) -> None:
    """200,000 deltas; they wait while another turn begins.

    What comes meanwhile is read for that turn, whether or not anybody takes the flood.
    """
    text = []
    for number in range(2_000):
        _calm.wait()
        lines = []
        for step in range(100):
            piece = f"{number * 100 + step:07d} "
            text.append(piece)
            params = {**turn, "itemId": "m", "delta": piece}
            message = {"method": "item/agentMessage/delta", "params": params}
            lines.append(json.dumps(message).encode() + b"\n")
        write(b"".join(lines))
    say(turn, "".join(text))


def quick(turn: Turn) -> None:
    say(turn, "quick")


def two_ends(turn: Turn) -> None:
    delta(turn, "once ")
    say(turn, "once")
    end(turn, "failed")
    delta(turn, "too late")
    say(turn, "again")


def never_ends(turn: Turn) -> None:
    """Goes on after an interrupt for as long as nobody kills it."""
    delta(turn, "for ever ")


def dies(turn: Turn) -> None:
    delta(turn, "last words ")
    print("panicked at 'out of luck'; token=sk-test-0123456789abcdef", file=sys.stderr, flush=True)
    os._exit(101)


def shuts_up(turn: Turn) -> None:
    """Closes its output and lives on."""
    delta(turn, "last words ")
    os.close(1)


def half_a_line(turn: Turn) -> None:
    delta(turn, "last words ")
    write(b'{"method": "turn/comp')
    os._exit(0)


def open_items(turn: Turn) -> None:
    """Begins everything and ends nothing."""
    delta(turn, "half a mess")
    notify("item/reasoning/summaryTextDelta", **turn, itemId="r", delta="half a th", summaryIndex=0)
    notify("item/plan/delta", **turn, itemId="p", delta="half a pl")
    notify("item/started", **turn, item={"type": "commandExecution", "id": "c", "command": "sleep"})
    notify("item/commandExecution/outputDelta", **turn, itemId="c", delta="half an out")
    change = {"path": "/f", "kind": {"type": "add"}, "diff": "+x"}
    notify("item/started", **turn, item={"type": "fileChange", "id": "f", "changes": [change]})
    notify("item/started", **turn, item={"type": "mcpToolCall", "id": "t", "tool": "add"})
    end(turn, "completed")


def disorder(turn: Turn) -> None:
    """Ends before beginnings, repeats, and news of things that are over."""
    notify("item/commandExecution/outputDelta", **turn, itemId="c", delta="too early")
    command = {"type": "commandExecution", "id": "c", "command": "ls", "status": "completed"}
    notify("item/completed", **turn, item={**command, "aggregatedOutput": "all", "exitCode": 0})
    notify("item/completed", **turn, item={**command, "aggregatedOutput": "more", "exitCode": 1})
    notify("item/started", **turn, item=command)
    notify("item/commandExecution/outputDelta", **turn, itemId="c", delta="too late")
    item = {"type": "agentMessage", "id": "m", "text": "whole"}
    notify("item/completed", **turn, item=item)
    delta(turn, "too late")
    notify("item/completed", **turn, item={**item, "text": "again"})
    end(turn, "completed")


def failed_without_reason(turn: Turn) -> None:
    end(turn, "failed")


def ended_in_a_new_way(turn: Turn) -> None:
    delta(turn, "half ")
    end(turn, "unheardOf")


def answers_twice(turn: Turn) -> None:
    send({"id": turn_request, "result": {"turn": {"id": "another"}}})
    say(turn, "answered twice")


def other_threads(turn: Turn) -> None:
    """Messages about threads and turns that are not the client's."""
    stranger = {"threadId": "another", "turnId": "another"}
    delta(stranger, "not for you")
    say(stranger, "not for you")
    delta({**turn, "turnId": "another"}, "of an earlier turn")
    say(turn, "only this")


# --- the protocol ------------------------------------------------------------------------------

turn_request: object = None


def serve() -> None:
    number = 0
    for line in sys.stdin.buffer:
        message = json.loads(line)
        method = message.get("method")
        if method is None:
            with _answered:
                _answers[message["id"]] = message
                _answered.notify_all()
            continue
        if "id" not in message or method == SILENT_AT:
            continue
        number += 1
        if method == "thread/start":
            _calm.clear()
        answer(message, method, str(number))
        if method == "turn/start":
            _calm.set()


def answer(message: dict, method: str, number: str) -> None:
    global turn_request
    params = message.get("params") or {}
    result: object = {}
    if method == "initialize":
        result = {"userAgent": f"fake/{os.environ.get('FAKE_VERSION', '0.169.0')} (test)"}
    elif method == "thread/start":
        result = {"thread": {"id": f"thread-{number}"}, "model": "fake-model"}
    elif method == "thread/resume":
        result = {"thread": {"id": params["threadId"]}, "model": "fake-model"}
    elif method == "account/read":
        result = {"account": None, "requiresOpenaiAuth": False}
    elif method == "turn/start":
        result = {"turn": {"id": f"turn-{number}", "status": "inProgress"}}
    if method != "turn/start":
        send({"id": message["id"], "result": result})
        return
    turn_request = message["id"]
    turn = {"threadId": params["threadId"], "turnId": f"turn-{number}"}
    scene = globals()[params["input"][0]["text"].replace(" ", "_")]
    send({"id": message["id"], "result": result})
    notify("turn/started", threadId=turn["threadId"], turn={"id": turn["turnId"]})
    if scene is quick:
        scene(turn)
    else:
        threading.Thread(target=scene, args=[turn], daemon=True).start()


# --- codex exec --------------------------------------------------------------------------------


def execute() -> int:
    """Prints lines instead of answering; the prompt says how it ends."""
    prompt = sys.stdin.buffer.read().decode()
    write(b"a line before everything\n")
    send({"type": "thread.started", "thread_id": "01a1fda5-77f3-73e0-bc59-8942ee3d8ba8"})
    for line in GARBAGE:
        write(line + b"\n")
    send({"type": "unheard.of", "what": 1})
    send({"type": "item.completed"})
    send({"type": "item.completed", "item": None})
    send({"type": "item.completed", "item": {"type": "unheard_of", "id": "u"}})
    changes = [{"path": "/f", "kind": "unheard_of"}]
    send({"type": "item.completed", "item": {"type": "file_change", "id": "f", "changes": changes}})
    send({"type": "item.completed", "item": {"type": "agent_message", "id": "m", "text": "said"}})
    send(
        {"type": "item.started", "item": {"type": "command_execution", "id": "c", "command": "ls"}}
    )
    if prompt == "completed":
        send({"type": "turn.completed", "usage": "unheard of"})
    elif prompt == "failed":
        send({"type": "turn.failed", "error": "unheard of"})
    elif prompt == "error":
        send({"type": "error", "message": "Boom."})
    else:
        print("panicked at 'out of luck'", file=sys.stderr, flush=True)
    return 0 if prompt in ("completed", "exit 0") else 3


SILENT_AT = os.environ.get("FAKE_SILENT_AT")

if __name__ == "__main__":
    if sys.argv[1] == "--version":
        sys.exit(print("codex-cli", os.environ.get("FAKE_VERSION", "0.169.0")))
    if sys.argv[1] == "exec":
        sys.exit(execute())
    serve()
