"""An agent that speaks ACP as badly as configured: acp_agent.py BEHAVIOUR [ARGUMENT…].

It is a program of its own, and knows nothing of signedin.
"""

import json
import os
import signal
import subprocess
import sys
import time

BEHAVIOUR, *ARGUMENTS = sys.argv[1:]
DEEP = "[" * 5000 + "]" * 5000
SETTINGS = {"mode": "ask", "style": "plain"}
NUMBERS = iter(range(1000, 9999))


def send(**message: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def update(kind: str, /, **fields: object) -> None:
    params = {"sessionId": "s1", "update": {"sessionUpdate": kind, **fields}}
    send(method="session/update", params=params)


def raw_update(update: str) -> None:
    head = '{"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s1", "update": '
    sys.stdout.write(f"{head}{update}}}}}}}\n")


def say(text: str, **fields: object) -> None:
    update("agent_message_chunk", content={"type": "text", "text": text}, **fields)


def ask(method: str, **params: object) -> dict:
    """Asks the client and waits for the answer; what else comes meanwhile is lost."""
    number = f"q{next(NUMBERS)}"
    send(id=number, method=method, params={"sessionId": "s1", **params})
    for line in sys.stdin:
        answer = json.loads(line)
        if answer.get("id") == number:
            return answer
    sys.exit(3)


def outcome(answer: dict) -> str:
    return json.dumps(answer.get("result", answer.get("error")), sort_keys=True)


def tool(**fields: object) -> dict:
    return {"toolCallId": "t1", "title": "touch made", "kind": "execute", **fields}


OPTIONS = [
    {"optionId": "yes", "kind": "allow_once", "name": "Yes"},
    {"optionId": "always", "kind": "allow_always", "name": "Always"},
    {"optionId": "no", "kind": "reject_once", "name": "No"},
]


def prompted() -> str:
    """Plays a turn; returns why it ends."""
    match BEHAVIOUR:
        case "hello":
            say("Hello.")
        case "dies":
            say("one two ")
            sys.stderr.write("cannot go on\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        case "garbage":
            sys.stdout.write("not json\n[1, 2]\n\n")
            send(method="session/update", params={"sessionId": "s1", "update": 7})
            send(method="session/update", params="what")
            send(method="made/up", params={})
            update("brand_new_kind", anything=[1])
            update("plan", entries="not a list")
            update("tool_call", **tool(content="not a list"))
            say("Hello.", surprise=1)
            answer = ask("made/up_request")
            say(f" {answer['error']['code']}")
            return "a_new_reason"
        case "mute":
            say("one two ")
            while True:
                time.sleep(1000)
        case "stopped_early":
            sys.stdin.readline()  # session/cancel
        case "noisy":
            sys.stderr.write("x" * (1 << 21))
            say("Hello.")
        case "permission":
            fields = {"rawInput": {"command": "touch made"}}
            answer = ask("session/request_permission", toolCall=tool(**fields), options=OPTIONS)
            update("tool_call_update", toolCallId="t1", status="failed")
            say(outcome(answer))
        case "permission_mute":
            say("asked ")
            fields = {"rawInput": {"command": "touch made"}}
            ask("session/request_permission", toolCall=tool(**fields), options=OPTIONS)
            while True:
                time.sleep(1000)
        case "edits":
            call = tool(**json.loads(ARGUMENTS[0]))
            answer = ask("session/request_permission", toolCall=call, options=OPTIONS)
            say(outcome(answer))
        case "upsert":
            update("tool_call", **tool(status="pending", rawInput={}))
            update("tool_call", **tool(status="in_progress", rawInput={"command": "ls"}))
            for text in ("a\n", "a\nb\n"):
                content = [{"type": "content", "content": {"type": "text", "text": text}}]
                update("tool_call_update", toolCallId="t1", content=content)
            update("tool_call_update", toolCallId="t1", status="completed", rawOutput={"exit": 3})
            update("tool_call_update", toolCallId="t1", status="completed")
            say("Done.")
        case "read" | "write":
            more = {"content": ARGUMENTS[1]} if BEHAVIOUR == "write" else {}
            path = ARGUMENTS[0].replace("%00", "\0")
            say(outcome(ask(f"fs/{BEHAVIOUR}_text_file", path=path, **more)))
        case "terminal":
            command, *args = ARGUMENTS
            created = ask("terminal/create", command=command, args=args, outputByteLimit=1000)
            if "error" in created:
                say(outcome(created))
                return "end_turn"
            name = created["result"]["terminalId"]
            ended = outcome(ask("terminal/wait_for_exit", terminalId=name))
            shown = outcome(ask("terminal/output", terminalId=name))
            released = outcome(ask("terminal/release", terminalId=name))
            again = outcome(ask("terminal/output", terminalId=name))
            say("\n".join((ended, shown, released, again)))
        case "shows":
            created = ask("terminal/create", command=ARGUMENTS[0], args=ARGUMENTS[1:])
            name = created["result"]["terminalId"]
            content = [{"type": "terminal", "terminalId": name}]
            update("tool_call", **tool(title="Runs it", kind="execute", content=content))
            ask("terminal/wait_for_exit", terminalId=name)
            update("tool_call_update", toolCallId="t1", status="in_progress")
            ask("terminal/release", terminalId=name)
            update("tool_call_update", toolCallId="t1", status="completed", content=[])
            say("Done.")
        case "abandons":
            ask("terminal/create", command=ARGUMENTS[0], args=ARGUMENTS[1:])
            say("Never mind.")
        case "forgets":  # and does not wait until it runs
            marked = {"env": [{"name": "SIGNEDIN_TEST", "value": ARGUMENTS[0]}]}
            params = {"sessionId": "s1", "command": ARGUMENTS[1], "args": ARGUMENTS[2:], **marked}
            send(id="forgotten", method="terminal/create", params=params)
        case "refuses":
            say("I would rather ")
            return "refusal"
        case "cut":
            say("The first ")
            return "max_tokens"
        case "settings":
            say(json.dumps(SETTINGS))
        case "deep_update":
            say("one two ")
            nested = f'{{"a": {DEEP}}}'
            raw_update('{"sessionUpdate": "tool_call", "toolCallId": "t1", "rawInput": ' + nested)
            raw_update('{"sessionUpdate": "plan", "entries": ' + DEEP)
            say("three")
        case "leaves":
            subprocess.Popen(["/bin/sh", "-c", ARGUMENTS[0]], start_new_session=True)
        case "temporary":
            say(os.environ["TMPDIR"])
        case "flood":
            try:
                for number in range(int(ARGUMENTS[0])):
                    say(f"{number} ")
            except BrokenPipeError:
                signal.pause()  # it has to be ended
    return "end_turn"


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        match message.get("method"):
            case "initialize" if BEHAVIOUR == "exits":
                sys.stdout.write("This agent is no longer maintained.\n")
                sys.exit(0)
            case "initialize":
                version = 2 if BEHAVIOUR == "version" else 1
                send(id=message["id"], result={"protocolVersion": version})
            case "session/new" if BEHAVIOUR == "locked":
                error = {"code": -32000, "message": "Authentication required"}
                send(id=message["id"], error=error)
            case "session/new" if BEHAVIOUR == "settings":
                options = [
                    {
                        "id": name,
                        "category": "mode" if name == "mode" else None,
                        "currentValue": value,
                    }
                    for name, value in SETTINGS.items()
                ]
                send(id=message["id"], result={"sessionId": "s1", "configOptions": options})
            case "session/set_config_option":
                SETTINGS[message["params"]["configId"]] = message["params"]["value"]
                send(id=message["id"], result={})
            case "session/new":
                send(id=message["id"], result={"sessionId": "s1"})
            case "session/prompt":
                reason = prompted()
                result = {"stopReason": reason, "usage": None, "_meta": None}
                send(id=message["id"], result=result)


main()
