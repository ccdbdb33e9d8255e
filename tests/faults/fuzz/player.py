"""A stand-in for the agents that says what the files of a folder hold: player.py DIALECT FOLDER.

`FOLDER/turn` is said in the middle of every turn, `FOLDER/METHOD` instead of the answer to that
request. It is a program of its own, and knows nothing of signedin.
"""

import json
import sys
from pathlib import Path

DIALECT, FOLDER = sys.argv[1], Path(sys.argv[2])
_output = sys.stdout.buffer


def write(data: bytes) -> None:
    _output.write(data)
    _output.flush()


def lines(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def played(name: str) -> bytes | None:
    file = FOLDER / name.replace("/", ".")
    return file.read_bytes() if file.exists() else None


def codex() -> None:
    turns = 0
    for line in sys.stdin.buffer:
        message = json.loads(line)
        method, number = message.get("method"), message.get("id")
        if method is None or number is None:
            continue
        params = message.get("params") or {}
        thread = params.get("threadId", "thread-1")
        answer = played(method)
        if answer is not None and method != "turn/start":
            write(b'{"id":%d,"result":%s}\n' % (number, answer))
            continue
        if method != "turn/start":
            result = {"userAgent": "fake/0.169.0 (test)"} if method == "initialize" else {}
            if method in ("thread/start", "thread/resume"):
                result = {"thread": {"id": f"thread-{number}"}, "model": "m"}
            write(lines({"id": number, "result": result}))
            continue
        turns += 1
        turn = f"turn-{turns}"
        about = {"threadId": thread, "turnId": turn}
        case = (played("turn") or b"").replace(b"THREAD", thread.encode())
        begin = {"threadId": thread, "turn": {"id": turn, "status": "inProgress"}}
        said = {"type": "agentMessage", "id": "b", "text": "before"}
        last = {"type": "agentMessage", "id": "a", "text": "after"}
        end = {"threadId": thread, "turn": {"id": turn, "status": "completed"}}
        started = answer or b'{"turn":{"id":"TURN","status":"inProgress"}}'
        write(
            b'{"id":%d,"result":%s}\n' % (number, started.replace(b"TURN", turn.encode()))
            + lines(
                {"method": "turn/started", "params": begin},
                {"method": "item/completed", "params": {**about, "item": said}},
            )
            + case.replace(b"TURN", turn.encode())
            + b"\n"
            + lines(
                {"method": "item/completed", "params": {**about, "item": last}},
                {"method": "turn/completed", "params": end},
            )
        )


def claude() -> None:
    def state(name: str) -> object:
        return {
            "type": "system",
            "subtype": "session_state_changed",
            "state": name,
            "session_id": "s",
        }

    def text(words: str) -> object:
        content = [{"type": "text", "text": words}]
        return {"type": "assistant", "uuid": words, "message": {"id": words, "content": content}}

    init = {"type": "system", "subtype": "init", "session_id": "s", "cwd": "/", "model": "m"}
    result = {"type": "result", "subtype": "success", "is_error": False, "result": "after"}
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message["type"] == "control_request":
            number = json.dumps(message["request_id"]).encode()
            answer = played(message["request"]["subtype"]) or b"{}"
            write(
                b'{"type":"control_response","response":{"subtype":"success","request_id":%s,'
                b'"response":%s}}\n' % (number, answer)
            )
        elif message["type"] == "user":
            write(
                lines(init, state("running"), text("before"))
                + (played("turn") or b"")
                + b"\n"
                + lines(text("after"), result, state("idle"))
            )


def acp() -> None:
    def update(session: str, text: str) -> object:
        content = {"type": "text", "text": text}
        news = {"sessionUpdate": "agent_message_chunk", "content": content, "messageId": text}
        return {"method": "session/update", "params": {"sessionId": session, "update": news}}

    can = {"sessionCapabilities": {"close": {}, "list": {}}, "loadSession": True}
    sessions = 0
    for line in sys.stdin.buffer:
        message = json.loads(line)
        method, number = message.get("method"), message.get("id")
        if method is None or number is None:
            continue
        result: object = {}
        if method == "initialize":
            result = {"protocolVersion": 1, "agentCapabilities": can}
        elif method == "session/new":
            sessions += 1
            result = {"sessionId": f"s{sessions}"}
        elif method == "session/list":
            result = {"sessions": []}
        elif method == "session/prompt":
            session = message["params"]["sessionId"]
            case = (played("turn") or b"").replace(b"SESSION", session.encode())
            write(lines(update(session, "before")) + case + b"\n" + lines(update(session, "after")))
            result = {"stopReason": "end_turn"}
        answer = played(method) or json.dumps(result).encode()
        write(b'{"jsonrpc":"2.0","id":%d,"result":%s}\n' % (number, answer))


{"codex": codex, "claude": claude, "acp": acp}[DIALECT]()
