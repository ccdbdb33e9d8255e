"""A whole turn as a terminal shows it."""

import io
import re

from rich.console import Console

from signedin import (
    ApprovalEvent,
    CommandEvent,
    DoneEvent,
    Event,
    FileChange,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PlanEvent,
    PlanStep,
    ReasoningDeltaEvent,
    ReasoningEvent,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.cli import blocks
from signedin.cli.render import LiveTurnView, NoticeView, TurnView, View

from .test_blocks import result

TURN: list[Event] = [
    SessionEvent(session_id="s", cwd="/w"),
    WarningEvent(text="old config"),
    ReasoningDeltaEvent(item_id="r", text="Look first."),
    ReasoningEvent(item_id="r", text="Look first."),
    MessageDeltaEvent(item_id="m", text="I **look"),
    MessageDeltaEvent(item_id="m", text="**.\n\nThen I fix."),
    MessageEvent(item_id="m", text="I **look**.\n\nThen I fix.", phase="commentary"),
    CommandEvent(item_id="c", command="ls", status="started"),
    CommandEvent(item_id="c", command="ls", status="output", text="a.py\n"),
    CommandEvent(
        item_id="c", command="ls", status="completed", output="a.py\n", exit_code=0, seconds=0.1
    ),
    RetryEvent(text="stream cut", attempt=1),
    FileChangeEvent(item_id="f", changes=(), status="started"),
    FileChangeEvent(
        item_id="f",
        changes=(FileChange("/w/a.py", "update", "@@ -1 +1 @@\n-a\n+b\n"),),
        status="completed",
    ),
    OtherEvent(name="thread/status/changed"),
    UsageEvent(usage=Usage(10, 0, 0, 5)),
    MessageEvent(item_id="n", text="Fixed.\n", phase="final_answer"),
    DoneEvent(text="Fixed.\n", reason="completed"),
]

PLAIN = """\
warning: old config
Look first.

I **look**.

Then I fix.

$ ls
  a.py
  exit code 0 after 0.1 s
retry 1: stream cut

changed a.py
  @@ -1 +1 @@
  -a
  +b

Fixed.

completed in 3.2 s · 10 tokens in, 5 out · session s
"""


READ_ALOUD = """\
warning: old config
Look first.

I **look**.

Then I fix.

command: ls
  a.py
  exit code 0 after 0.1 s
retry 1: stream cut

changed a.py
  @@ -1 +1 @@
  removed 1: a
  added 1: b

Fixed.

completed in 3.2 s, 10 tokens in, 5 out, session s
"""


def shown(view: View, events: list[Event], *, width: int = 80, end: bool = True) -> str:
    """What is on the screen after these events."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    added = [renderable for event in events for renderable in view.feed(event)]
    if end:
        added += view.end(result(usage=Usage(10, 0, 0, 5), session_id="s"))
    with console.capture() as capture:
        for renderable in added:
            console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def now(view: View, *, width: int = 80, height: int = 24) -> list[str]:
    """What is drawn below; the pictures that turn stand still."""
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(view.now())
    return [re.sub("^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "⠿", line.rstrip()) for line in capture.get().splitlines()]


def test_a_whole_turn_as_plain_text():
    assert shown(TurnView(blocks.plain), TURN) == PLAIN


def test_a_whole_turn_for_a_screen_reader(monkeypatch):
    monkeypatch.setenv("SIGNEDIN_PLAIN", "1")
    assert shown(TurnView(blocks.plain), TURN) == READ_ALOUD


def test_a_whole_turn_with_formatted_text():
    formatted = PLAIN.replace("**look**", "look")
    assert shown(TurnView(blocks.markdown), TURN) == formatted


def test_what_goes_on_is_told_while_it_goes_on():
    view = TurnView(blocks.plain)
    seen = [now(view)]
    for event in TURN:
        view.feed(event)
        if now(view) != seen[-1]:
            seen.append(now(view))
    assert seen == [
        ["⠿ Starting"],
        ["⠿ Thinking"],
        ["", "I **look", "⠿ Writing"],
        ["", "Then I fix.", "⠿ Writing"],
        ["⠿ Writing"],
        ["⠿ Running ls"],
        ["⠿ Running ls", "  a.py"],
        ["⠿ Thinking"],
        ["⠿ Trying again"],
        ["⠿ Writing files"],
        ["⠿ Thinking"],
        ["⠿ Writing"],
    ]


def test_each_thing_that_runs_has_its_line_and_its_window():
    view = TurnView(blocks.plain)
    view.feed(CommandEvent(item_id="1", command="bash -c 'make\nmake test'", status="started"))
    view.feed(ToolEvent(item_id="2", name="weather", status="started"))
    assert now(view) == ["⠿ Running make", "⠿ Calling weather"]
    for item_id in ("1", "2", "1"):
        output = "".join(f"{item_id}{n}\n" for n in range(10))
        view.feed(CommandEvent(item_id=item_id, command="", status="output", text=output))
    assert now(view) == [
        *("⠿ Running make", "  17", "  18", "  19"),
        *("⠿ Calling weather", "  27", "  28", "  29"),
    ]
    view.feed(ToolEvent(item_id="2", name="weather", status="completed"))
    assert now(view) == ["⠿ Running make", *(f"  1{n}" for n in range(4, 10))]


def test_output_that_comes_after_the_end_opens_nothing():
    view = TurnView(blocks.plain)
    view.feed(CommandEvent(item_id="1", command="ls", status="output", text="late"))
    assert now(view) == ["⠿ Starting"]


def test_what_is_going_on_never_fills_the_screen():
    view = TurnView(blocks.plain)
    view.feed(MessageDeltaEvent(item_id="m", text="".join(f"line {n}\n" for n in range(100))))
    lines = now(view, height=20)
    assert len(lines) == 16
    assert lines[-3:] == ["line 98", "line 99", "⠿ Writing"]
    for n in range(30):
        view.feed(ToolEvent(item_id=str(n), name=f"tool_{n}", status="started"))
    assert now(view, height=20) == [f"⠿ Calling tool_{n}" for n in range(14, 30)]
    assert now(view, height=3) == ["⠿ Calling tool_29"]


def test_a_long_command_is_told_on_one_line():
    view = TurnView(blocks.plain)
    view.feed(CommandEvent(item_id="1", command="x" * 200, status="started"))
    assert len(now(view, width=40)) == 1


def test_a_message_that_was_cut_off_is_shown_at_the_end():
    view = TurnView(blocks.plain)
    events = [MessageDeltaEvent(item_id="m", text="Half a sen")]
    assert shown(view, events).startswith("Half a sen\n\ncompleted")


def test_a_message_cut_off_by_steering_is_shown_once_and_in_its_place():
    view = TurnView(blocks.plain)
    events: list[Event] = [
        MessageDeltaEvent(item_id="a", text="First.\n\nHalf"),
        MessageEvent(item_id="b", text="Second."),
        MessageEvent(item_id="a", text="First.\n\nHalf", complete=False),
    ]
    assert shown(view, events, end=False) == "First.\n\nHalf\n\nSecond.\n"


def test_who_waits_for_the_answer_is_told_only_what_matters():
    assert shown(NoticeView(), TURN) == "warning: old config\nretry 1: stream cut\n"


def test_nothing_from_the_agent_steers_the_terminal():
    evil = "\x1b]0;title\x07\x1b[2Jtext\x9b"
    events: list[Event] = [
        SessionEvent(session_id="s", cwd="/w"),
        WarningEvent(text=evil),
        ReasoningEvent(item_id="r", text=evil),
        MessageDeltaEvent(item_id="m", text=evil),
        MessageEvent(item_id="m", text=evil),
        CommandEvent(item_id="c", command=evil, status="started"),
        CommandEvent(item_id="c", command=evil, status="completed", output=evil, exit_code=0),
        FileChangeEvent(
            item_id="f", changes=(FileChange(f"/w/{evil}", "add", evil),), status="completed"
        ),
        ToolEvent(item_id="t", name=evil, status="started"),
        ToolEvent(item_id="t", name=evil, status="failed", error=evil, arguments={"a": evil}),
        RetryEvent(text=evil),
    ]
    for view in (TurnView(blocks.plain), TurnView(blocks.markdown)):
        for event in events:
            text = shown(view, [event], end=False) + "\n".join(now(view))
            assert "\x1b" not in text
            assert "\x9b" not in text
            assert "\x07" not in text


def test_what_was_changed_is_shown():
    events = [
        ApprovalEvent(
            item_id="c", subject="command", decision=decision, text="sh -c 'ls -l'", changed="pwd"
        )
        for decision in ("allow", "deny")
    ]
    console = Console(file=io.StringIO(), width=80)
    for event in events:
        console.print(*NoticeView().feed(event))
    shown = ["changed: ls -l → pwd", "denied; allowed instead: ls -l → pwd"]
    assert console.file.getvalue().splitlines() == shown


def _agent_at_work(*, usage: Usage | None = None) -> list[Event]:
    agent = Subagent(id="a", name="Explore", task="Look for it.\nEverywhere.")
    ended = Subagent(id="a", name="Explore", status="completed", usage=usage)
    return [
        OtherEvent(name="begins", agent=agent),
        CommandEvent(item_id="c", command="ls", status="started", agent=agent),
        CommandEvent(item_id="c", command="ls", status="output", text="a.py", agent=agent),
        CommandEvent(item_id="c", command="ls", status="completed", output="a.py", agent=agent),
        MessageEvent(item_id="m", text="One file.\nIt is a.py.", agent=agent),
        OtherEvent(name="ends", agent=ended),
        OtherEvent(name="ends again", agent=ended),
    ]


def test_a_subagent_has_indented_lines() -> None:
    assert shown(TurnView(blocks.plain), _agent_at_work(usage=Usage(10, 4, 0, 5)), end=False) == (
        "  Explore: Running ls\n"
        "  Explore: One file.\n"
        "  Explore: completed, 10 tokens in (4 cached), 5 out\n"
    )


def test_what_subagents_do_is_seen_in_place() -> None:
    view = LiveTurnView(blocks.plain)
    seen: list[list[str]] = []
    for event in _agent_at_work():
        shown(view, [event], end=False)
        seen.append(now(view))
    assert [lines for lines, before in zip(seen, [[], *seen], strict=False) if lines != before] == [
        ["⠿ Explore: Look for it.", "⠿ Starting"],
        ["⠿ Explore: Running ls", "⠿ Starting"],
        ["⠿ Explore: Writing", "⠿ Starting"],
        ["⠿ Starting"],
    ]
    assert shown(LiveTurnView(blocks.plain), _agent_at_work(), end=False) == (
        "  Explore: One file.\n  Explore: completed\n"
    )


def _plan(*statuses: str) -> PlanEvent:
    steps = zip(("Look", "Mend"), statuses, strict=True)
    return PlanEvent(item_id="p", steps=tuple(PlanStep(text, status) for text, status in steps))


def test_a_plan_ticks_in_place() -> None:
    view = LiveTurnView(blocks.plain)
    seen = [
        (shown(view, [_plan(*statuses)], end=False), now(view))
        for statuses in (
            ("in_progress", "pending"),
            ("completed", "in_progress"),
            ("completed", "completed"),
        )
    ]
    assert seen == [
        ("", ["", "▸ Look", "· Mend", "⠿ Starting"]),
        ("", ["", "✓ Look", "▸ Mend", "⠿ Starting"]),
        ("✓ Look\n✓ Mend\n", ["⠿ Starting"]),
    ]


def test_what_is_left_of_a_plan_is_shown_at_the_end() -> None:
    events: list[Event] = [_plan("completed", "pending"), MessageEvent(item_id="m", text="Later.")]
    assert shown(LiveTurnView(blocks.plain), events).startswith(
        "Later.\n\n✓ Look\n· Mend\n\ncompleted in "
    )


def test_what_has_been_seen_running_is_folded() -> None:
    output = "".join(f"{n}\n" for n in range(30))
    event = CommandEvent(item_id="c", command="seq 30", status="completed", output=output)
    assert shown(TurnView(blocks.plain), [event], end=False).count("\n") == 32
    folded = [*range(3), "… 21 lines …", *range(24, 30)]
    assert shown(LiveTurnView(blocks.plain), [event], end=False).split() == [
        *("$", "seq", "30"),
        *" ".join(map(str, folded)).split(),
        "completed",
    ]
