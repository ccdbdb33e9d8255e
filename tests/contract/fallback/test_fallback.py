"""What happens when the plan of a real agent is used up, in every way a client may ask for.

``openai/codex#32341`` lists what users want of this; each of its lines is a test here.
"""

import json
import re
import stat
import subprocess
import sys
import time
import uuid
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from signedin import (
    BillingError,
    Client,
    DoneEvent,
    Fallback,
    FallbackEvent,
    RateLimitedError,
    RunResult,
    SessionEvent,
    SignedinError,
    TimeoutExceededError,
    TurnFailedError,
    UsageLimitError,
)
from signedin.loopback import Hang, HttpError, Rule, Script, Shell, UsageLimit
from signedin.providers.fallback.handover import CONTINUE
from signedin.providers.fallback.used_up import used_up_file
from support.processes import processes_with, wait_until_none_with
from support.troupe import Troupe
from support.turns import checked, failed

LATER = int(time.time()) + 86_400
NEVER_ASKED = ()
AT_ONCE = {"retry-after-ms": "1"}
"""Makes opencode report at once that its plan is used up, instead of within a minute."""

LIMIT = UsageLimit(resets_at=LATER, headers=AT_ONCE)
APPEND = Shell("echo once >> log.txt")
PAIRS = list(permutations(["claude", "codex", "acp:opencode"], 2))


def windows(first: float, second: float | None = None) -> dict[str, str]:
    """Headers with which Codex reports that one or both windows of a plan are used up."""
    return {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(int(first)),
        "x-codex-secondary-used-percent": "20" if second is None else "100",
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": str(int(second or LATER)),
    }


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_next_gets_the_prompt_and_the_work_only_with_handover(
    first: str, second: str, troupe: Troupe, log: Path
) -> None:
    """Lines 1 to 3; *exact same-turn retry*; *protection against duplicate tool side effects*."""
    client = troupe.warm(first, second, on_limit="handover")
    troupe.stage(first).play(LIMIT)
    troupe.stage(second).play("The second one answers.")
    result = checked(client.run("Go."))
    assert (result.provider, result.text) == (second, "The second one answers.")
    assert [used_up.provider for used_up in result.fallbacks] == [first]
    assert [request.prompt for request in troupe.stage(second).requests] == ["Go."]
    [event] = [event for event in result.events if isinstance(event, FallbackEvent)]
    assert (event.provider, event.successor, event.handover) == (first, second, False)
    used_up_file().unlink()
    troupe.stage(first).play(APPEND, LIMIT)
    troupe.stage(second).play("Finished.")
    result = checked(client.run("Append a line."))
    assert (result.provider, result.text) == (second, "Finished.")
    [request] = troupe.stage(second).requests
    assert f"the work of another agent, {first}, " in request.prompt
    assert "echo once >> log.txt" in request.prompt
    assert request.prompt.endswith(f"beginning where {first} stopped:\n\nAppend a line.")
    assert log.read_text() == "once\n"


@pytest.mark.parametrize(("first", "second"), [("claude", "codex"), ("codex", "claude")])
def test_next_never_repeats_work(first: str, second: str, troupe: Troupe, log: Path) -> None:
    troupe.stage(first).play(APPEND, LIMIT)
    troupe.stage(second).play("Never said.")
    with troupe.client(first, second, on_limit="next") as client:
        _, error = failed(client.stream("Append a line."), UsageLimitError)
    assert error.message.endswith(
        " (the agent has begun to act, so only on_limit='handover' continues at another provider)"
    )
    assert troupe.stage(second).requests == NEVER_ASKED
    assert log.read_text() == "once\n"


def test_the_transition_is_an_event_between_two_sessions(troupe: Troupe) -> None:
    """*Consistent transition events.*"""
    client = troupe.warm("claude", "codex", on_limit="handover")
    troupe.stage("claude").play(LIMIT)
    troupe.stage("codex").play("Yes.")
    with client.stream("Go.") as turn:
        events = list(turn)
        result = turn.result()
    steps = (SessionEvent, FallbackEvent, DoneEvent)
    kinds = [event.kind for event in events if isinstance(event, steps)]
    assert kinds == ["session", "fallback", "session", "done"]
    sessions = [event for event in events if isinstance(event, SessionEvent)]
    assert [(event.provider, event.transport) for event in sessions] == [
        ("claude", "claude-cli"),
        ("codex", "codex-app-server"),
    ]
    assert result.session_id == sessions[1].session_id
    assert result.transport == "codex-app-server"
    [used_up] = result.fallbacks
    assert used_up == Fallback(provider="claude", reason=used_up.reason, resets_at=LATER)
    assert "hit your" in used_up.reason


def test_all_windows_are_noted_and_all_must_be_open_again(troupe: Troupe) -> None:
    """Lines 4 and 5."""
    client = troupe.warm("codex", "claude", on_limit="handover")
    soon, late = LATER, LATER + 86_400
    troupe.stage("codex").play(UsageLimit(resets_at=soon, headers=windows(soon, late)))
    troupe.stage("claude").play("Claude.")
    assert client.run("Go.").provider == "claude"
    noted = json.loads(used_up_file().read_text())
    assert max(noted["codex"].values()) == late
    assert set(noted["codex"].values()) == {soon, late}
    assert stat.S_IMODE(used_up_file().stat().st_mode) == 0o600
    troupe.stage("codex").play("Codex.")
    now = time.time()
    used_up_file().write_text(json.dumps({"codex": {"primary": now - 1, "secondary": now + 60}}))
    assert client.run("Go.").provider == "claude"
    assert troupe.stage("codex").requests == NEVER_ASKED
    used_up_file().write_text(json.dumps({"codex": {"primary": now - 1, "secondary": now - 1}}))
    result = client.run("Go.")
    assert (result.provider, result.fallbacks) == ("codex", ())


def test_a_client_of_one_provider_asks_it_all_the_same(troupe: Troupe) -> None:
    """Line 6: the choice made by hand."""
    used_up_file().write_text(json.dumps({"codex": {"limit": LATER}}))
    troupe.stage("codex").play("Asked.")
    name, keywords = troupe.member("codex")
    with Client(name, cwd=troupe.cwd, **keywords) as client:
        assert client.run("Go.").text == "Asked."


def test_many_requests_are_no_plan_that_is_used_up(troupe: Troupe) -> None:
    """*Provider failover, not generic HTTP retry.*"""
    client = troupe.warm("codex", "claude", on_limit="handover")
    troupe.stage("codex").play(HttpError(429, "Slow down."))
    troupe.stage("claude").play("Never said.")
    with pytest.raises(RateLimitedError):
        client.run("Go.")
    assert troupe.stage("claude").requests == NEVER_ASKED
    assert not used_up_file().exists()


def test_a_budget_is_no_plan_that_is_used_up(troupe: Troupe, log: Path) -> None:
    name, keywords = troupe.member("claude")
    members = [(name, {**keywords, "provider_options": {"max_budget_usd": 1e-9}})]
    troupe.stage("claude").play(APPEND, "Never said.")
    troupe.stage("codex").play("Never said.")
    with Client(
        [*members, troupe.member("codex")],
        on_limit="handover",
        cwd=troupe.cwd,
        permissions="full-access",
    ) as client:
        _, error = failed(client.stream("Append a line."), TurnFailedError)
    assert "budget" in error.message
    assert troupe.stage("codex").requests == NEVER_ASKED
    assert not used_up_file().exists()


def test_who_pays_holds_for_each(troupe: Troupe) -> None:
    """*Provider-scoped credential selection*: the next one has a key only, no login."""
    troupe.stage("claude").play(LIMIT)
    troupe.stage("codex").play("Never said.")
    with troupe.client("claude", "codex", on_limit="next", billing="subscription") as client:
        with pytest.raises(BillingError) as caught:
            client.run("Go.")
    assert caught.value.__notes__ == [
        f"it was to continue because of claude: {caught.value.__notes__[0].partition(': ')[2]}"
    ]
    assert troupe.stage("codex").requests == NEVER_ASKED


def test_when_all_are_used_up(troupe: Troupe) -> None:
    client = troupe.warm("claude", "codex", on_limit="handover")
    troupe.stage("claude").play(UsageLimit(resets_at=LATER))
    troupe.stage("codex").play(UsageLimit(resets_at=LATER - 80_000))
    _, error = failed(client.stream("Go."), UsageLimitError)
    assert error.message.startswith("the plans of claude,codex are used up; codex resets first, at")
    assert error.resets_at == pytest.approx(LATER - 80_000, abs=60)
    assert error.result is not None
    assert [used_up.provider for used_up in error.result.fallbacks] == ["claude"]
    asked = [len(troupe.stage(name).requests) for name in ("claude", "codex")]
    outcomes = list(client.map(["a", "b", "c"], concurrency=2))
    assert [type(outcome.error) for outcome in outcomes] == [UsageLimitError] * 3
    assert [len(troupe.stage(name).requests) for name in ("claude", "codex")] == asked


def test_a_conversation_moves_with_what_was_said(troupe: Troupe) -> None:
    client = troupe.warm("claude", "codex", on_limit="handover")
    troupe.stage("claude").play(Script("Never said.", [Rule(["Blue."], contains="colour")]))
    troupe.stage("codex").play("It was blue.")
    with client.session() as session:
        assert session.run("Which colour?").provider == "claude"
        troupe.stage("claude").play(LIMIT)
        result = checked(session.run("Which one was it?"))
        assert (result.provider, result.session_id) == ("codex", session.id)
        [request] = troupe.stage("codex").requests
        assert "User: Which colour?\n\nAgent: Blue." in request.prompt
        troupe.stage("codex").play("Bye.")
        assert session.run("Thanks.").provider == "codex"
        [request] = troupe.stage("codex").requests
        assert request.prompt == "Thanks."
        left = session.id
    used_up_file().unlink()
    troupe.stage("codex").play("Still here.")
    with client.session(resume=left) as resumed:
        assert len(resumed.history()) == 2
        result = resumed.run("And now?")
    assert (result.provider, result.session_id, result.text) == ("codex", left, "Still here.")


def test_next_does_not_lose_a_conversation(troupe: Troupe) -> None:
    with troupe.client("codex", "claude", on_limit="next") as client, client.session() as session:
        troupe.stage("codex").play("Blue.")
        troupe.stage("claude").play("Never said.")
        session.run("Which colour?")
        troupe.stage("codex").play(LIMIT)
        _, error = failed(session.stream("Which one was it?"), UsageLimitError)
        assert "the conversation has earlier turns" in error.message
    assert troupe.stage("claude").requests == NEVER_ASKED


def test_a_session_that_nobody_has(troupe: Troupe) -> None:
    client = troupe.warm("claude", "codex", on_limit="handover")
    missing = "11111111-2222-4333-8444-555555555555"
    with pytest.raises(SignedinError) as caught:
        client.run("Go.", resume=missing)
    assert caught.value.message.startswith(f"no provider has session {missing}: claude: ")
    assert "; codex: " in caught.value.message


def test_waiting_for_the_plan_and_then_sending(troupe: Troupe) -> None:
    with troupe.client("codex", on_limit="wait") as client:
        resets_at = soon(client, troupe)
        troupe.stage("codex").play(UsageLimit(resets_at=resets_at, headers=windows(resets_at)))
        result = result_once_open(client, troupe, "Now.", prompt="Go.")
    assert (result.text, result.provider) == ("Now.", "codex")
    assert [used_up.provider for used_up in result.fallbacks] == ["codex"]
    assert time.time() >= resets_at
    assert [request.prompt for request in troupe.stage("codex").requests] == ["Go."]


def test_waiting_in_the_middle_of_work_continues_it(troupe: Troupe, log: Path) -> None:
    with troupe.client("codex", on_limit="wait") as client:
        resets_at = soon(client, troupe)
        limit = UsageLimit(resets_at=resets_at, headers=windows(resets_at))
        troupe.stage("codex").play(APPEND, limit)
        result = result_once_open(client, troupe, "Finished.", prompt="Append a line.")
    assert (result.text, log.read_text()) == ("Finished.", "once\n")
    assert [request.prompt for request in troupe.stage("codex").requests] == [CONTINUE]
    sessions = [event for event in result.events if isinstance(event, SessionEvent)]
    assert [session.session_id for session in sessions] == [result.session_id] * 2


def soon(client: Client, troupe: Troupe) -> int:
    """A time that has not come when the next turn meets its limit: the agent runs already."""
    troupe.stage("codex").play("Warm.")
    client.run("Warm up.")
    return int(time.time()) + 6


def result_once_open(
    client: Client, troupe: Troupe, answer: str, *, prompt: str
) -> RunResult[object]:
    """The result of a turn that waits for a plan, which is open from then on."""
    with client.stream(prompt) as turn:
        for event in turn:
            if isinstance(event, FallbackEvent):
                troupe.stage(event.provider).play(answer)
        return checked(turn.result())


def test_a_turn_that_is_left_between_two_providers_leaves_nothing(
    troupe: Troupe, log: Path
) -> None:
    mark = f"fallback-{uuid.uuid4()}"
    env = {"SIGNEDIN_TEST_MARK": mark}
    troupe.stage("claude").play(APPEND, LIMIT)
    troupe.stage("codex").play(Hang(after=0))
    with troupe.client("claude", "codex", on_limit="handover", env=env) as client:
        for event in client.stream("Append a line."):
            if isinstance(event, FallbackEvent):
                assert processes_with(mark)
                break
        with pytest.raises(TimeoutExceededError):
            client.run("Go.", timeout=2)
    wait_until_none_with(mark)
    assert log.read_text() == "once\n"


def test_a_time_limit_ends_the_wait(troupe: Troupe) -> None:
    used_up_file().write_text(json.dumps({"codex": {"limit": LATER}}))
    troupe.stage("codex").play("Never said.")
    with troupe.client("codex", on_limit="wait") as client:
        with pytest.raises(TimeoutExceededError):
            client.run("Go.", timeout=1)
    assert troupe.stage("codex").requests == NEVER_ASKED


def test_another_process_skips_what_this_one_has_used_up(troupe: Troupe) -> None:
    client = troupe.warm("claude", "codex", on_limit="handover")
    troupe.stage("claude").play(LIMIT)
    troupe.stage("codex").play("Here.")
    client.run("Go.")
    asked = len(troupe.stage("claude").requests)
    program = (
        "import json, sys\n"
        "from signedin import Client\n"
        "members, cwd = json.load(sys.stdin)\n"
        "with Client(members, on_limit='next', cwd=cwd) as client:\n"
        "    result = client.run('Go.')\n"
        "print(json.dumps([result.provider, [each.provider for each in result.fallbacks]]))\n"
    )
    members = [troupe.member("claude"), troupe.member("codex")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        input=msgspec.json.encode([members, str(troupe.cwd)]),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["codex", ["claude"]]
    assert len(troupe.stage("claude").requests) == asked


def test_the_command_line(troupe: Troupe, monkeypatch: pytest.MonkeyPatch) -> None:
    used_up_file().write_text(json.dumps({"claude": {"limit": LATER}}))
    troupe.stage("codex").play("From the command line.")
    home = used_up_file().parent
    for name, value in troupe.stage("codex").model.variables("codex").items():
        monkeypatch.setenv(name, value or "")
    monkeypatch.setenv("SIGNEDIN_HOME", str(home))
    flags = ["--provider", "claude,codex", "--on-limit", "next"]
    done = subprocess.run(
        [sys.executable, "-m", "signedin", "run", "--json", *flags, "Go."],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["provider"], document["text"]) == ("codex", "From the command line.")
    assert [each["provider"] for each in document["fallbacks"]] == ["claude"]
    assert done.stderr.startswith("fallback: the plan of claude is used up until ")


def test_the_example_of_the_guide(
    troupe: Troupe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = Path(__file__).parents[3] / "docs" / "fallback.md"
    [example] = re.findall(r"^```python\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL)
    used_up_file().write_text(json.dumps({"claude": {"limit": LATER}}))
    home = used_up_file().parent
    troupe.stage("codex").play("It says hello.")
    for name, value in troupe.stage("codex").model.variables("codex").items():
        monkeypatch.setenv(name, value or "")
    monkeypatch.setenv("SIGNEDIN_HOME", str(home))
    monkeypatch.chdir(troupe.cwd)
    exec(compile(example, str(guide), "exec"), {"__name__": "__main__"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "codex It says hello."
    assert lines[1].startswith("claude the plan of claude is used up until ")


def test_a_batch_goes_to_the_next(troupe: Troupe, tmp_path: Path) -> None:
    client = troupe.warm("claude", "codex", on_limit="handover")
    troupe.stage("claude").play(Script([LIMIT], [Rule(["First."], contains="one")]))
    troupe.stage("codex").play("By the next.")
    rows = ["one", "two", "three"]
    batch = client.batch(rows, journal=tmp_path / "run.db", concurrency=1, on_limit="next")
    outcomes = [checked(outcome.unwrap()) for outcome in batch.run()]
    assert [(each.provider, each.text) for each in outcomes] == [
        ("claude", "First."),
        ("codex", "By the next."),
        ("codex", "By the next."),
    ]
    assert [record.provider for record in batch.records()] == ["claude", "codex", "codex"]
    assert len(troupe.stage("claude").requests) == 2
    assert batch.status().done == 3


def test_a_row_that_moved_before_its_process_was_killed_continues_there(
    troupe: Troupe, log: Path, tmp_path: Path
) -> None:
    program = (
        "import json, sys\n"
        "from signedin import Client\n"
        "members, cwd, journal = json.loads(sys.argv[1])\n"
        "with Client(members, on_limit='next', cwd=cwd, permissions='full-access') as client:\n"
        "    batch = client.batch(['one'], journal=journal, on_limit='next')\n"
        "    for outcome in batch.run():\n"
        "        print(outcome.unwrap().provider, outcome.unwrap().text)\n"
    )
    members = [troupe.member("claude"), troupe.member("codex")]
    given = msgspec.json.encode([members, str(troupe.cwd), str(tmp_path / "run.db")]).decode()
    words = [sys.executable, "-c", program, given]
    troupe.stage("claude").play(LIMIT)
    troupe.stage("codex").play(APPEND, Hang(after=0))
    with subprocess.Popen(words) as killed:
        troupe.stage("codex").wait_for_request(2)
        killed.kill()
    troupe.stage("codex").play("Finished.")
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "codex Finished.\n"
    [request] = troupe.stage("codex").requests
    assert request.prompt.startswith("You were interrupted while you worked on the task below.")
    assert log.read_text() == "once\n"


def test_only_the_row_that_has_acted_waits(troupe: Troupe, log: Path, tmp_path: Path) -> None:
    client = troupe.warm("claude", "codex", on_limit="next")
    troupe.stage("claude").play(APPEND, LIMIT)
    troupe.stage("codex").play("By the next.")
    journal = tmp_path / "run.db"
    batch = client.batch(["one", "two"], journal=journal, concurrency=1, on_limit="next")
    outcomes = batch.run()
    outcome = next(outcomes)
    outcomes.close()
    assert (outcome.row, outcome.unwrap().provider) == ({"prompt": "two"}, "codex")
    assert log.read_text() == "once\n"
    status = batch.status()
    assert (status.done, status.waiting, status.waits_for) == (1, 1, "usage_limit")
