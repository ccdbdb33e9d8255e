"""The client itself: starting, closing, what it says of itself, and the low level."""

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest

from signedin import (
    AuthRequiredError,
    InvalidOptionError,
    ProtocolError,
    ProviderNotInstalledError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.loopback import Hold, Text
from signedin.providers.codex import (
    AsyncCodex,
    ClientInfo,
    Codex,
    InvalidRequestError,
    ServerMetadata,
    protocol as p,
    retry_on_overload,
)
from support.processes import Watch, children_with, command_of, processes_with
from support.programs import ended, program
from support.stage import Stage


async def test_calls_at_the_same_time_start_one_process(
    options: dict[str, object], stage: Stage
) -> None:
    codex = AsyncCodex(**options)
    assert processes_with(stage.home) == set()
    accounts = await asyncio.gather(*(codex.account() for _ in range(8)))
    assert [account.account for account in accounts] == [None] * 8
    assert len(children_with(stage.home)) == 1
    await codex.aclose()
    assert processes_with(stage.home) == set()


def test_it_belongs_to_one_loop(options: dict[str, object], stage: Stage) -> None:
    stage.play(Text.echo())
    codex = AsyncCodex(**options)
    with asyncio.Runner() as runner:
        thread = runner.run(codex.thread_start())
        for use in (codex.account, lambda: thread.run("two"), codex.aclose):
            with pytest.raises(SignedinError, match="this AsyncCodex was used in another event"):
                asyncio.run(use())
        assert runner.run(thread.run("one")).final_response == "one"
        runner.run(codex.aclose())
    asyncio.run(codex.aclose())
    with pytest.raises(TransportClosedError, match="this Codex client is closed"):
        asyncio.run(codex.account())
    assert processes_with(stage.home) == set()


@pytest.mark.parametrize("steps", [0, 1, 3, 10, 30])
async def test_a_start_that_is_cancelled_leaves_nothing(
    options: dict[str, object], stage: Stage, steps: int
) -> None:
    codex = AsyncCodex(**options)
    starting = asyncio.create_task(codex.account())
    waiting = asyncio.create_task(codex.account())
    for _ in range(steps):
        await asyncio.sleep(0)
    if starting.cancel():  # else it had ended already
        with pytest.raises(asyncio.CancelledError):
            await starting
    assert (await waiting).account is None
    assert len(children_with(stage.home)) == 1
    await codex.aclose()
    assert processes_with(stage.home) == set()


async def test_metadata(options: dict[str, object], stage: Stage) -> None:
    codex = AsyncCodex(**options)
    with pytest.raises(SignedinError, match="the app-server has not been started"):
        _ = codex.metadata
    async with codex:
        metadata = codex.metadata
    assert metadata == ServerMetadata(
        name="signedin",
        version=metadata.version,
        user_agent=metadata.user_agent,
        platform_family="unix",
        platform_os="linux",
        codex_home=str(stage.home),
    )
    assert metadata.user_agent.startswith(f"signedin/{metadata.version} (")
    assert metadata.version.count(".") == 2


def test_the_blocking_client_starts_lazily(options: dict[str, object], stage: Stage) -> None:
    codex = Codex(**options)
    assert processes_with(stage.home) == set()
    with pytest.raises(SignedinError, match="the app-server has not been started"):
        _ = codex.metadata
    with codex:
        assert codex.metadata.name == "signedin"
        assert len(children_with(stage.home)) == 1


def test_closing_is_quick_and_final(options: dict[str, object], stage: Stage) -> None:
    stage.play(Text(["half ", Hold("never"), "whole"]))
    codex = Codex(**options)
    thread = codex.thread_start()
    turn = thread.turn("go")
    next(turn.stream_text())
    watch = Watch(processes_with(stage.home))
    before = time.monotonic()
    codex.close()
    assert time.monotonic() - before < 0.5
    watch.all_gone()
    codex.close()
    for use in (codex.account, lambda: thread.run("more"), codex.__enter__):
        with pytest.raises(
            TransportClosedError, match="this Codex client is closed; make a new one"
        ):
            use()


def test_a_fork_leaves_the_parent_what_it_has(options: dict[str, object], stage: Stage) -> None:
    stage.play(Text(["half ", Hold("rest"), "whole"]))
    code = """
import os
from pathlib import Path
from signedin import SignedinError
from signedin.providers.codex import Codex
with Codex(**{**arguments, "cwd": Path(arguments["cwd"])}) as codex:
    with codex.thread_start().turn("go") as turn:
        next(turn.stream_text())
        pid = os.fork()
        if pid == 0:
            for use in (codex.account, turn.run, turn.interrupt, lambda: turn.steer("more")):
                try:
                    use()
                except SignedinError as error:
                    assert "made before a fork" in str(error)
                else:
                    raise AssertionError(use)
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        sys.stdin.readline()
        print(turn.run().final_response)
"""
    with program(code, **{**options, "cwd": str(options["cwd"])}) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "7\n"
        stage.release("rest")
        process.stdin.write("\n")
        process.stdin.flush()
        assert ended(process) == "half whole\n"


def test_a_thread_keeps_its_client_alive(options: dict[str, object], stage: Stage) -> None:
    stage.play(Text.echo())
    thread = Codex(**options).thread_start()
    gc.collect()
    assert thread.run("one").final_response == "one"
    watch = Watch(processes_with(stage.home))
    del thread
    gc.collect()
    watch.all_gone()


def test_the_name_of_the_program_reaches_the_model(
    options: dict[str, object], stage: Stage
) -> None:
    stage.play("ok")
    info = ClientInfo(name="my_tool", title="My tool", version="1.2")
    with Codex(**options, client_info=info) as codex:
        assert codex.metadata.name == "my_tool"
        codex.thread_start().run("go")
    assert stage.requests[-1].headers["originator"] == "my_tool"


def test_where_the_process_works(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    [pid] = children_with(stage.home)
    assert Path(f"/proc/{pid}/cwd").resolve() == tmp_path
    assert codex.thread_start().opened.cwd == str(tmp_path)


def test_a_folder_that_is_not_there(options: dict[str, object], tmp_path: Path) -> None:
    options["cwd"] = tmp_path / "nowhere"
    with pytest.raises(InvalidOptionError, match="nowhere"):
        Codex(**options).account()


def test_a_program_that_is_not_there(options: dict[str, object], tmp_path: Path) -> None:
    codex = Codex(**options, binary=tmp_path / "codex")
    with pytest.raises(ProviderNotInstalledError, match="codex is not installed"):
        codex.account()


def test_secrets_do_not_go_onto_the_command_line(options: dict[str, object], stage: Stage) -> None:
    secret = {"model_providers.mine": {"experimental_bearer_token": "sk-0123456789abcdef"}}
    with pytest.raises(InvalidOptionError) as refused:
        Codex(config=secret)
    assert "sk-0123456789abcdef" not in str(refused.value)
    assert "pass it in config= of a thread" in str(refused.value)
    stage.play("ok")
    with Codex(**options) as codex:
        thread = codex.thread_start(
            config={"model_providers.loopback.http_headers": {"X-Token": "sk-0123456789abcdef"}}
        )
        thread.run("go")
        [pid] = children_with(stage.home)
        assert "sk-0123456789abcdef" not in " ".join(command_of(pid))
    assert stage.requests[-1].credential_is("sk-0123456789abcdef")


def test_models(codex: Codex) -> None:
    shown, all_of_them = codex.models(), codex.models(include_hidden=True)
    assert "gpt-5.5" in {model.id for model in shown}
    assert not any(model.hidden for model in shown)
    assert {model.id for model in shown} < {model.id for model in all_of_them}
    assert len([model for model in shown if model.is_default]) == 1


def test_limits_need_a_login(codex: Codex) -> None:
    with pytest.raises(
        AuthRequiredError, match=r"authentication required.*signedin auth login --provider codex"
    ):
        codex.limits()


def test_any_request(codex: Codex, stage: Stage) -> None:
    stage.play("ok")
    thread = codex.thread_start()
    thread.run("go")
    plain = codex.request("thread/turns/list", {"threadId": thread.id})
    assert plain["data"][0]["status"] == "completed"
    params = p.ThreadTurnsListParams(thread_id=thread.id, items_view="full")
    typed = codex.request("thread/turns/list", params, p.ThreadTurnsListResponse)
    assert isinstance(typed.data[0].items[1], p.AgentMessageThreadItem)
    ran = codex.request("command/exec", {"command": ["echo", "hi"]}, timeout=30)
    assert (ran["exitCode"], ran["stdout"]) == (0, "hi\n")
    assert codex.request("account/logout") == {}


def test_requests_that_go_wrong(codex: Codex) -> None:
    with pytest.raises(InvalidRequestError) as unknown:
        codex.request("thread/juggle")
    assert unknown.value.code == -32600
    assert "thread/juggle" in str(unknown.value)
    with pytest.raises(InvalidRequestError, match="missing field `threadId`"):
        codex.request("thread/read", {})
    with pytest.raises(ProtocolError, match=r"answered model/list in a form unknown"):
        codex.request("model/list", {}, p.ThreadReadResponse)
    with pytest.raises(TimeoutExceededError, match=r"no answer to command/exec within 0.2 s"):
        codex.request("command/exec", {"command": ["sleep", "2"]}, timeout=0.2)
    with pytest.raises(TypeError) as wrong:
        codex.request("thread/read", ["threadId"])
    assert str(wrong.value) == (
        "params must be one of the protocol's types, a mapping in the wire's form, or None, "
        "not list"
    )
    with pytest.raises(TypeError, match="not str"):
        codex.notify("initialized", "x")


@pytest.fixture
def _no_bubblewrap(options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Has Codex look for programs where there is none: it warns that it finds no bubblewrap."""
    options["env"] = {**options["env"], "PATH": str(tmp_path_factory.mktemp("bin"))}


@pytest.mark.usefixtures("_no_bubblewrap")
async def test_the_low_level_asynchronously(async_codex: AsyncCodex) -> None:
    await async_codex.notify("initialized")
    first = await async_codex.next_notification(timeout=20)
    assert first.method == "configWarning"
    assert isinstance(first.params, p.ConfigWarningNotification)
    assert first.raw["params"]["summary"] == first.params.summary
    status = await async_codex.next_notification(timeout=20)
    assert status.method == "remoteControl/status/changed"
    assert isinstance(status.params, p.RemoteControlStatusChangedNotification)
    assert status.params.status == "disabled"
    with pytest.raises(TimeoutExceededError, match=r"no notification within 0.1 s"):
        await async_codex.next_notification(timeout=0.1)
    waiting = asyncio.create_task(async_codex.next_notification())
    thread = await async_codex.thread_start()
    notification = await waiting
    assert isinstance(notification.params, p.ThreadStartedNotification)
    assert notification.params.thread.id == thread.id
    waiting = asyncio.create_task(async_codex.next_notification())
    await asyncio.sleep(0)
    await async_codex.aclose()
    with pytest.raises(TransportClosedError, match="closed by its client"):
        await waiting


@pytest.mark.usefixtures("_no_bubblewrap")
def test_what_the_process_wrote_to_stderr(codex: Codex) -> None:
    while "bubblewrap" not in (tail := codex.stderr_tail()):
        codex.account()
    assert len(tail.splitlines()) <= 40
    assert codex.stderr_tail(1) == tail.splitlines()[-1]
    assert codex.stderr_tail(0) == ""


def test_a_process_that_cannot_start_says_why(options: dict[str, object]) -> None:
    options["config"] = {"model_provider": 5}
    with pytest.raises(TransportClosedError, match="model_provider"):
        Codex(**options).account()


def test_retrying_on_overload(codex: Codex) -> None:
    assert retry_on_overload(codex.models)
