"""Threads: started, continued, copied, listed, read, named, put away, compacted."""

import time
from base64 import b64decode
from pathlib import Path

import pytest

from signedin.loopback import Reasoning, Rule, Script, Text, ToolCall
from signedin.providers.codex import (
    AsyncCodex,
    Codex,
    ImageInput,
    InvalidParamsError,
    InvalidRequestError,
    LocalImageInput,
    MentionInput,
    SkillInput,
    TextInput,
    TurnResult,
    protocol as p,
)
from support.stage import Stage

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
HELLO = [Reasoning("Somebody greets."), Text("Hello!", phase="final_answer")]


def texts(thread: p.Thread) -> list[str]:
    """The agent's messages of a thread, the oldest first."""
    return [
        item.text
        for turn in thread.turns
        for item in turn.items
        if isinstance(item, p.AgentMessageThreadItem)
    ]


def listed(codex: Codex, **filters: object) -> list[str]:
    """The ids of the threads that a list has."""
    return [thread.id for thread in codex.thread_list(model_providers=[], **filters).data]


def test_the_result_of_a_turn(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    stage.play(HELLO)
    before = time.time()
    thread = codex.thread_start()
    result = thread.run("Hi")

    assert isinstance(thread.opened, p.ThreadStartResponse)
    assert (thread.opened.model, thread.opened.cwd) == ("gpt-5.5", str(tmp_path))
    user, reasoning, message = result.items
    assert isinstance(user, p.UserMessageThreadItem)
    assert [content.text for content in user.content] == ["Hi"]
    assert isinstance(reasoning, p.ReasoningThreadItem)
    assert reasoning.summary == ("Somebody greets.",)
    assert isinstance(message, p.AgentMessageThreadItem)
    assert (message.text, message.phase) == ("Hello!", "final_answer")
    once = p.TokenUsageBreakdown(
        input_tokens=10,
        cached_input_tokens=4,
        output_tokens=5,
        reasoning_output_tokens=1,
        total_tokens=15,
    )
    assert result == TurnResult(
        id=result.id,
        thread_id=thread.id,
        status="completed",
        started_at=result.started_at,
        completed_at=result.completed_at,
        duration=result.duration,
        final_response="Hello!",
        items=(user, reasoning, message),
        unfinished=(),
        usage=p.ThreadTokenUsage(last=once, total=once, model_context_window=258400),
    )
    assert result.id
    assert int(before) <= result.started_at <= result.completed_at <= time.time()
    assert 0 < result.duration <= time.time() - before
    assert repr(result) == (
        f"TurnResult({result.id!r}, completed, 3 items, final_response='Hello!')"
    )


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([Text("looking", phase="commentary")], None),
        ([Text("")], ""),
        ([Text("one"), Text("two")], "two"),
        (
            [Text("done", phase="final_answer"), Text("by the way", phase="commentary")],
            "done",
        ),
        ([Text("done", phase="final_answer"), Text("more")], "done"),
    ],
)
def test_which_message_is_the_answer(
    codex: Codex, stage: Stage, messages: list[Text], expected: str | None
) -> None:
    stage.play(messages)
    assert codex.thread_start().run("go").final_response == expected


def test_several_turns_of_a_thread(codex: Codex, stage: Stage) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    thread = codex.thread_start(ephemeral=True)
    first, second = thread.run("one"), thread.run("two")
    assert (first.final_response, second.final_response) == ("You said: one", "You said: two")
    assert second.usage is not None
    assert (second.usage.total.total_tokens, second.usage.last.total_tokens) == (30, 15)
    assert [request.prompt for request in stage.requests] == ["one", "two"]


def test_settings_of_a_thread_and_of_a_turn_reach_the_model(codex: Codex, stage: Stage) -> None:
    stage.play("ok")
    thread = codex.thread_start(
        developer_instructions="Speak like a pirate.",
        model=None,
        params=p.ThreadStartParams(base_instructions="You are a parrot."),
    )
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    thread.run("go", effort="high", output_schema=schema, params={"model": "gpt-5.5"})
    body = stage.requests[-1].body
    assert "You are a parrot." in str(body)
    assert "Speak like a pirate." in str(body)
    assert body["reasoning"]["effort"] == "high"
    assert body["text"]["format"]["schema"] == schema


def test_a_turn_may_have_another_sandbox(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    thread = codex.thread_start(sandbox="read-only", cwd=tmp_path)
    assert thread.opened.sandbox.type == "readOnly"
    stage.play("ok")
    thread.run("go", sandbox="workspace-write")
    assert "workspace-write" in str(stage.requests[-1].body)
    policy = p.WorkspaceWriteSandboxPolicy(network_access=True)
    thread.run("go", sandbox=policy)
    assert "enabled" in str(stage.requests[-1].body)
    with pytest.raises(
        ValueError, match=r"sandbox must be one of read-only, workspace-write, .* not 'writable'"
    ):
        thread.run("go", sandbox="writable")


def test_keywords_go_before_params(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    thread = codex.thread_start(cwd=other, params={"cwd": "/", "ephemeral": True})
    assert (thread.opened.cwd, thread.opened.thread.ephemeral) == (str(other), True)


def test_what_is_no_parameter_is_refused(codex: Codex) -> None:
    with pytest.raises(TypeError) as wrong_type:
        codex.thread_start(params=p.TurnStartParams(thread_id="t", input=[]))
    assert str(wrong_type.value) == (
        "params must be a ThreadStartParams, a mapping in the wire's form, or None, "
        "not TurnStartParams"
    )
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        codex.thread_start(colour="red")
    with pytest.raises(TypeError, match=r"input must be a str, .* not int"):
        codex.thread_start().run(7)
    with pytest.raises(TypeError, match=r"input must be a str, .* not set"):
        codex.thread_start().run(["a", {"b"}])


def test_inputs(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "pixel.png").write_bytes(b64decode(PIXEL))
    stage.play("seen")
    thread = codex.thread_start()
    url = f"data:image/png;base64,{PIXEL}"
    result = thread.run(
        [
            "plain",
            TextInput(text="typed"),
            {"type": "text", "text": "as on the wire"},
            ImageInput(url=url),
            LocalImageInput(path=str(tmp_path / "pixel.png")),
            MentionInput(name="notes", path="app://notes"),
        ]
    )
    assert [content.type for content in result.items[0].content] == [
        "text",
        "text",
        "text",
        "image",
        "localImage",
        "mention",
    ]
    [message] = [
        item
        for item in stage.requests[-1].body["input"]
        if item.get("role") == "user" and "plain" in str(item)
    ]
    shown = [part.get("text") or part["type"] for part in message["content"]]
    assert [text for text in shown if not text.startswith("<")] == [
        "plain",
        "typed",
        "as on the wire",
        "input_image",
        "input_image",
    ]


def test_a_skill_is_read(options: dict[str, object], stage: Stage, tmp_path: Path) -> None:
    folder = stage.home / "skills" / "juggle"
    folder.mkdir(parents=True)
    skill = folder / "SKILL.md"
    skill.write_text("---\nname: juggle\ndescription: How to juggle\n---\nUse three balls.\n")
    stage.play("ok")
    with Codex(**options) as codex:
        codex.thread_start().run(["do it", SkillInput(name="juggle", path=str(skill))])
    assert "Use three balls." in str(stage.requests[-1].body)


def test_a_prompt_that_is_too_long_is_refused(codex: Codex) -> None:
    thread = codex.thread_start(ephemeral=True)
    with pytest.raises(InvalidParamsError) as refused:
        thread.run("x" * 1_048_577)
    assert refused.value.data == {
        "input_error_code": "input_too_large",
        "max_chars": 1_048_576,
        "actual_chars": 1_048_577,
    }


def test_a_thread_is_resumed_by_another_client(
    codex: Codex, options: dict[str, object], stage: Stage
) -> None:
    stage.play(Text.echo())
    thread = codex.thread_start()
    thread.run("one")
    codex.close()
    with Codex(**options) as other:
        resumed = other.thread_resume(thread.id, include_turns=True)
        assert resumed.id == thread.id
        assert texts(resumed.opened.thread) == ["one"]
        assert other.thread_resume(thread.id).opened.thread.turns == ()
        assert resumed.run("two").final_response == "two"
    assert "one" in str(stage.requests[-1].body["input"])


def test_what_a_resumed_thread_keeps(
    codex: Codex, options: dict[str, object], stage: Stage
) -> None:
    stage.play("ok")
    thread = codex.thread_start(
        approval_policy="never", developer_instructions="Be brief.", sandbox="workspace-write"
    )
    thread.run("one", effort="high")
    codex.close()
    with Codex(**options) as other:
        resumed = other.thread_resume(thread.id)
        kept = resumed.opened
        assert (kept.approval_policy, kept.reasoning_effort) == ("never", "high")
        assert kept.sandbox.type == "readOnly"
        resumed.run("two")
    assert "Be brief." in str(stage.requests[-1].body["input"])


def test_what_something_else_says_is_not_the_users_word(codex: Codex, stage: Stage) -> None:
    stage.play(ToolCall("exec_command", {"cmd": "true"}), "ok")  # no prompt, but an output
    said = p.TurnToolOutput(name="chat", output="Somebody writes.")
    assert codex.thread_start().run([], tool_output=said).final_response == "ok"
    last = stage.requests[-1].body["input"][-1]
    assert (last["type"], last["output"]) == ("function_call_output", "Somebody writes.")


def test_a_fork_goes_on_by_itself(codex: Codex, stage: Stage) -> None:
    stage.play(Text.echo())
    thread = codex.thread_start()
    thread.run("shared")
    fork = codex.thread_fork(thread.id)
    assert fork.id != thread.id
    assert fork.opened.thread.forked_from_id == thread.id
    fork.run("only here")
    thread.run("only there")
    assert texts(codex.thread_read(fork.id, include_turns=True).thread) == ["shared", "only here"]
    assert texts(thread.read(include_turns=True).thread) == ["shared", "only there"]
    assert thread.read().thread.turns == ()


def test_a_fork_of_an_earlier_state(codex: Codex, stage: Stage) -> None:
    stage.play(Text.echo())
    thread = codex.thread_start()
    first = thread.run("one")
    thread.run("two")
    fork = codex.thread_fork(thread.id, last_turn_id=first.id, include_turns=True)
    assert texts(fork.opened.thread) == ["one"]


def test_lists(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    stage.play("ok")
    folders = [tmp_path / name for name in ("a", "b")]
    threads = []
    for folder in folders:
        folder.mkdir()
        threads.append(codex.thread_start(cwd=folder))
        threads[-1].run(f"work in {folder.name}")
    unstored = codex.thread_start(ephemeral=True)
    unstored.run("secret")
    one, two = (thread.id for thread in threads)

    assert listed(codex, cwd=str(folders[0])) == [one]
    assert set(listed(codex, cwd=[str(folder) for folder in folders])) == {one, two}
    assert listed(codex, search_term="work in b") == [two]
    assert unstored.id not in listed(codex)
    assert {one, two} <= set(listed(codex, use_state_db_only=True))
    assert listed(codex, section_id="no-such-section") == []
    assert {one, two} <= set(listed(codex, source_kinds=["vscode"]))  # what a client counts as
    assert listed(codex, source_kinds=["exec"]) == []
    both = {"cwd": [str(f) for f in folders], "limit": 1, "sort_key": "recency_at"}
    page = codex.thread_list(model_providers=[], **both)
    rest = codex.thread_list(model_providers=[], **both, cursor=page.next_cursor)
    assert [page.data[0].id, rest.data[0].id] == [two, one]
    by_params = codex.thread_list(params=p.ThreadListParams(model_providers=[], search_term="in a"))
    assert [thread.id for thread in by_params.data] == [one]


def test_a_name(codex: Codex, stage: Stage) -> None:
    stage.play("ok")
    thread = codex.thread_start()
    thread.run("go")
    thread.set_name("Ada")
    assert thread.read().thread.name == "Ada"
    assert listed(codex, search_term="Ada") == [thread.id]
    codex.thread_set_name(thread.id, "Grace")
    assert codex.thread_read(thread.id).thread.name == "Grace"


def test_an_archived_thread_is_put_away_and_comes_back(codex: Codex, stage: Stage) -> None:
    stage.play(Text.echo())
    thread = codex.thread_start()
    thread.run("one")
    codex.thread_archive(thread.id)
    assert thread.id not in listed(codex)
    assert thread.id in listed(codex, archived=True)
    back = codex.thread_unarchive(thread.id)
    assert back.id == thread.id
    assert thread.id in listed(codex)
    assert back.opened is None
    assert back.run("two").final_response == "two"
    assert back.opened.model == "gpt-5.5"


def test_a_compacted_thread_goes_on(codex: Codex, stage: Stage) -> None:
    stage.play(Script([Text("A summary.")], [Rule(["Two."], equals="two")]))
    thread = codex.thread_start()
    thread.run("one")
    compacted = thread.compact()
    assert compacted.status == "completed"
    assert [item.type for item in compacted.items] == ["contextCompaction"]
    assert thread.run("two").final_response == "Two."
    assert "A summary." in str(stage.requests[-1].body["input"])
    assert codex.thread_compact(thread.id).status == "completed"


def test_threads_that_are_not_there(codex: Codex) -> None:
    nobody = "01a1fddb-393d-73f1-b37d-4fc4257fa92b"
    with pytest.raises(InvalidRequestError, match=f"no rollout found for thread id {nobody}"):
        codex.thread_resume(nobody)
    with pytest.raises(InvalidRequestError, match="invalid thread id"):
        codex.thread_read("bogus")


async def test_the_asynchronous_twin(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play(Text.echo())
    thread = await async_codex.thread_start()
    assert (await thread.run("one")).final_response == "one"
    fork = await async_codex.thread_fork(thread.id)
    assert (await fork.run("two")).final_response == "two"
    await async_codex.thread_set_name(thread.id, "Ada")
    assert (await thread.read()).thread.name == "Ada"
    await async_codex.thread_archive(thread.id)
    back = await async_codex.thread_unarchive(thread.id)
    resumed = await async_codex.thread_resume(back.id, include_turns=True)
    assert texts(resumed.opened.thread) == ["one"]
    page = await async_codex.thread_list(model_providers=[], limit=2)
    assert {found.id for found in page.data} == {thread.id, fork.id}
    assert (await resumed.compact()).status == "completed"
