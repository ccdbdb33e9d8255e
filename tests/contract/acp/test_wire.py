"""Everything that goes over the wire fits the official schema of the protocol, both ways."""

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from acp import schema
from pydantic import BaseModel

from signedin import Client, MessageDeltaEvent, tool
from signedin.loopback import Hang, Reply, Shell, ToolCall, WriteFile
from signedin.model.approvals import allow, deny
from support.otel import Telemetry
from support.stage import Stage

TEE = Path(__file__).parents[2] / "support" / "tee.py"
TO_AGENT: dict[str, tuple[type[BaseModel], type[BaseModel] | None]] = {
    "initialize": (schema.InitializeRequest, schema.InitializeResponse),
    "session/new": (schema.NewSessionRequest, schema.NewSessionResponse),
    "session/load": (schema.LoadSessionRequest, schema.LoadSessionResponse),
    "session/resume": (schema.ResumeSessionRequest, schema.ResumeSessionResponse),
    "session/fork": (schema.ForkSessionRequest, schema.ForkSessionResponse),
    "session/list": (schema.ListSessionsRequest, schema.ListSessionsResponse),
    "session/close": (schema.CloseSessionRequest, schema.CloseSessionResponse),
    "session/prompt": (schema.PromptRequest, schema.PromptResponse),
    "session/set_mode": (schema.SetSessionModeRequest, schema.SetSessionModeResponse),
    "session/cancel": (schema.CancelNotification, None),
}
TO_CLIENT: dict[str, tuple[type[BaseModel], type[BaseModel] | None]] = {
    "session/update": (schema.SessionNotification, None),
    "session/request_permission": (
        schema.RequestPermissionRequest,
        schema.RequestPermissionResponse,
    ),
    "fs/read_text_file": (schema.ReadTextFileRequest, schema.ReadTextFileResponse),
    "fs/write_text_file": (schema.WriteTextFileRequest, schema.WriteTextFileResponse),
}
LEGACY = {"session/set_model"}
"""No longer in the schema, but in use."""


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"blue in {city}"


@pytest.fixture
def noted(stage: Stage, binary: Path, tmp_path: Path) -> Iterator[tuple[Client, Path]]:
    """A client whose agent is listened to, and the notes."""
    program, notes = tmp_path / "agent", tmp_path / "notes"
    tee = shlex.join([sys.executable, "-S", str(TEE), str(notes), str(binary)])
    program.write_text(f'#!/bin/sh\nexec {tee} "$@"\n')
    program.chmod(0o755)
    # Nothing of it may be noted in a sandbox.
    with stage.client(None, binary=program, sandbox="off", cwd=tmp_path) as client:
        yield client, notes


def checked(notes: Path) -> Counter[str]:
    """How often each method was used, all of its messages being as the schema wants them."""
    seen: Counter[str] = Counter()
    waiting: dict[tuple[str, object], type[BaseModel] | None] = {}
    for line in notes.read_bytes().splitlines():
        sign, message = chr(line[0]), json.loads(line[1:])
        assert message["jsonrpc"] == "2.0"
        method = message.get("method")
        if method is None:
            answers = "<" if sign == ">" else ">"
            answer = waiting.pop((answers, message["id"]))
            if "result" in message and answer is not None:
                answer.model_validate(message["result"] or {})
            continue
        seen[method] += 1
        if method in LEGACY:
            waiting[sign, message["id"]] = None
            continue
        params, answer = (TO_AGENT if sign == ">" else TO_CLIENT)[method]
        params.model_validate(message["params"])
        if "id" in message:
            waiting[sign, message["id"]] = answer
    return seen


def test_every_message_fits_the_schema(
    noted: tuple[Client, Path], driver, stage: Stage, tmp_path: Path
) -> None:
    client, notes = noted
    work = tmp_path / "work"
    work.mkdir()
    stage.play(
        ToolCall(driver.tool("weather"), {"city": "Oslo"}),
        WriteFile(str(work / "new.txt"), "a\n"),
        Shell("echo one > made.txt"),
        "Done.",
    )
    with client.session(cwd=work, tools=[weather]) as session:
        session.run("Do it.", on_approval=lambda request: allow)
        session.run("Do it again.", on_approval=lambda request: deny("no"))
        stage.play(Reply("one two three", ending=Hang(after=1)))
        with session.stream("Count.") as turn:
            for event in turn:
                if isinstance(event, MessageDeltaEvent):
                    break
    client.models()
    client.close()
    seen = checked(notes)
    assert seen["initialize"] >= 1
    assert seen["session/new"] == 2
    assert seen["session/prompt"] == 3
    assert seen["session/cancel"] == 1
    assert seen["session/request_permission"] >= 3
    assert seen["session/update"] > 5


def test_the_trace_of_a_turn_goes_with_its_prompt(
    noted: tuple[Client, Path], stage: Stage, tmp_path: Path
) -> None:
    client, notes = noted
    stage.play("Done.")
    with Telemetry() as telemetry:
        client.run("Go.", cwd=tmp_path)
    client.run("Go.", cwd=tmp_path)
    client.close()
    assert checked(notes)["session/prompt"] == 2
    sent = [json.loads(line[1:]) for line in notes.read_bytes().splitlines()]
    prompts = [each["params"] for each in sent if each.get("method") == "session/prompt"]
    [turn] = [span.context for span in telemetry.spans]
    trace = {"traceparent": f"00-{turn.trace_id:032x}-{turn.span_id:016x}-01"}
    assert [prompt.get("_meta") for prompt in prompts] == [trace, None]
