"""Fills the template of the page and writes it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC
from functools import cache
from math import isfinite
from pathlib import Path, PurePath
from typing import NamedTuple, cast

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from signedin.accounts.files import write_private
from signedin.cli import diffs
from signedin.cli.blocks import excerpt
from signedin.cli.page.record import (
    Conversation,
    Exchange,
    from_events,
    from_history,
    from_result,
)
from signedin.cli.page.text import clean, markdown
from signedin.cli.tables import UNKNOWN_TIME, formatted_time
from signedin.model.commands import bare_command
from signedin.model.errors import InvalidOptionError
from signedin.model.events import (
    CommandEvent,
    ErrorEvent,
    Event,
    EventKind,
    FileChange,
    FileChangeEvent,
    OtherEvent,
    PlanEvent,
    RateLimitEvent,
    RateLimits,
    ReasoningEvent,
    ToolEvent,
    Usage,
)
from signedin.model.redact import redact
from signedin.model.results import PastTurn, RunResult

LONGEST_LINES = 2_000
"""Of longer outputs the middle is left out and of longer diffs the end, and the page says so."""

LONGEST_TEXT = 400_000
"""Characters, as the lines above."""

LONGEST_HISTORY = 20
"""Turns of a session that a notebook shows: its last ones."""

_OPEN_LINES = 24
_LONGEST_TITLE = 120
_LONGEST_VALUE = 100
_SILENT = frozenset({EventKind.SESSION, EventKind.USAGE, EventKind.RATE_LIMIT, EventKind.DONE})


def write_page(
    what: Conversation | RunResult[object] | Sequence[PastTurn] | Sequence[Event], path: Path
) -> None:
    """Writes a page that only its owner can read, or leaves what is there as it was.

    Args:
        what: A result, the history of a session, the events of one or more turns, or any of them
            made a `Conversation` with more facts.
        path: Where to; a file that is there is replaced.

    Raises:
        InvalidOptionError: The folder does not exist, or there is something other than a file.
        OSError: The system refused.
    """
    check_target(path)
    write_private(path.resolve(), render_page(_conversation(what)).encode())


def check_target(path: Path) -> None:
    """Checks that a page can be written, before the run that it will show.

    Raises:
        InvalidOptionError: It cannot.
    """
    if path.exists() and not path.is_file():
        raise InvalidOptionError(f"{path} is not a file, so no page can be written to it")
    if not path.resolve().parent.is_dir():
        raise InvalidOptionError(f"there is no folder {path.parent} to write {path.name} to")


def render_page(conversation: Conversation) -> str:
    """Returns the page as HTML.

    Args:
        conversation: What it shows.
    """
    page = resources("page.html")
    exchanges = [_shown(exchange) for exchange in conversation.exchanges]
    return page.template.render(
        style=Markup(page.style),  # noqa: S704 - the style sheet of this package
        style_hash=Markup(page.style_hash),  # noqa: S704 - base64
        title=_title(conversation),
        conversation=conversation,
        exchanges=exchanges,
        totals=_totals(exchanges, conversation.usage),
    )


def render_fragment(
    shown: RunResult[object] | Sequence[PastTurn],
    *,
    provider: str,
    session_id: str | None,
    running: bool,
) -> str:
    """Returns what `signedin.model.display` asks for."""
    if isinstance(shown, RunResult):
        conversation = from_result(shown)
        exchanges = [msgspec.structs.replace(conversation.exchanges[0], running=running)]
    else:
        conversation = from_history(
            shown[-LONGEST_HISTORY:], provider=provider, session_id=session_id
        )
        exchanges = conversation.exchanges
    fragment = resources("fragment.html")
    return fragment.template.render(
        style=Markup(fragment.style.replace(":root", "&")),  # noqa: S704 - as above
        title="",
        conversation=conversation,
        exchanges=[_shown(exchange) for exchange in exchanges],
    )


class ShownExchange(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange in terms of what is shown of it."""

    exchange: Exchange
    entries: Sequence[Event]
    others: list[OtherEvent]
    limits: RateLimits | None
    last_plan: PlanEvent | None
    has_times: bool


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchanges come to together."""

    started_at: float | None
    elapsed: float
    usage: Usage | None
    commands: int
    failed_commands: int
    files: int
    added: int
    removed: int


def _conversation(
    what: Conversation | RunResult[object] | Sequence[PastTurn] | Sequence[Event],
) -> Conversation:
    match what:
        case Conversation():
            return what
        case RunResult():
            return from_result(what)
        case _:
            turns = [turn for turn in what if isinstance(turn, PastTurn)]
            if turns:
                return from_history(turns, provider="")
            return from_events(event for event in what if isinstance(event, Event))


def _shown(exchange: Exchange) -> ShownExchange:
    plans = [event for event in exchange.events if isinstance(event, PlanEvent)]
    limits = [event.limits for event in exchange.events if isinstance(event, RateLimitEvent)]
    entries = [event for event in exchange.events if _is_entry(event, exchange)]
    return ShownExchange(
        exchange=exchange,
        entries=entries,
        others=[event for event in exchange.events if isinstance(event, OtherEvent)],
        limits=limits[-1] if limits else None,
        last_plan=plans[-1] if plans else None,
        # Providers store one time for all of a turn, which says nothing about any part of it.
        has_times=len({event.timestamp for event in entries}) > 1,
    )


def _is_entry(event: Event, exchange: Exchange) -> bool:
    """Whether an event is shown where it happened: complete items are, and only once."""
    match event:
        case CommandEvent() | FileChangeEvent() | ToolEvent():
            is_open = event.status in {"started", "output"}
            return not is_open or (exchange.running and event.status == "output")
        case ReasoningEvent():
            return bool(event.text.strip())
        case ErrorEvent():
            return not exchange.error  # else it is said at the end, in signedin's words
        case OtherEvent():
            return False
        case _:
            return event.kind not in _SILENT and bool(event.text.strip() or _has_more(event))


def _has_more(event: Event) -> bool:
    return isinstance(event, PlanEvent) and bool(event.steps)


def _has_failed(event: CommandEvent) -> bool:
    return event.status != "completed" or bool(event.exit_code)


def _totals(exchanges: list[ShownExchange], stored: Usage | None) -> Totals:
    events = [event for shown in exchanges for event in shown.entries]
    commands = [event for event in events if isinstance(event, CommandEvent)]
    changes = [
        change
        for event in events
        if isinstance(event, FileChangeEvent) and event.status == "completed"
        for change in event.changes
    ]
    usages = [shown.exchange.usage for shown in exchanges if shown.exchange.usage]
    starts = [shown.exchange.started_at for shown in exchanges if shown.exchange.started_at]
    return Totals(
        started_at=min(starts, default=None),
        elapsed=sum(shown.exchange.elapsed or 0.0 for shown in exchanges),
        usage=sum(usages[1:], usages[0]) if usages else stored,
        commands=len(commands),
        failed_commands=len([each for each in commands if _has_failed(each)]),
        files=len({change.path for change in changes}),
        added=diffs.count(changes, "added"),
        removed=diffs.count(changes, "removed"),
    )


def _title(conversation: Conversation) -> str:
    prompt = next((each.prompt for each in conversation.exchanges if each.prompt.strip()), "")
    line = " ".join(prompt.split())
    if not line:
        return f"A session with {conversation.provider}" if conversation.provider else "A session"
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1].rstrip() + "…"


class Resources(NamedTuple):
    """What a page is made of.

    Attributes:
        style: The style sheet.
        style_hash: What allows it, and no other.
        template: The template.
    """

    style: str
    style_hash: str
    template: Template


@cache
def resources(template: str) -> Resources:
    """Returns what a page with this template is made of."""
    environment = Environment(
        loader=PackageLoader("signedin.cli.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, object] = {
        "markdown": markdown,
        "seconds": _seconds,
        "moment": _moment,
        "command_line": bare_command,
        "shortened": _shortened,
        "opens": _opens,
        "diff_lines": _diff_lines,
        "tally": diffs.count,
        "json": _json,
        "relative": _relative,
    }
    cast("dict[str, object]", environment.filters).update(filters)
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return Resources(style, _hash(style), environment.get_template(template))


def _hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _finalized(value: object) -> object:
    """Cleans everything that the template puts on the page, so that nothing can be forgotten."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _seconds(seconds: float) -> str:
    if not isfinite(seconds):
        return UNKNOWN_TIME
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _moment(timestamp: float) -> str:
    """A time in UTC: the page says the same to every reader, wherever that is."""
    return formatted_time(timestamp, "%Y-%m-%d %H:%M:%S UTC", UTC)


def _shortened(text: str) -> str:
    left_out = len(text) - LONGEST_TEXT
    if left_out > 0:
        half = LONGEST_TEXT // 2
        text = f"{text[:half]}\n… {left_out} characters …\n{text[-half:]}"
    return excerpt(text.strip("\n"), LONGEST_LINES)


def _opens(text: str) -> bool:
    """Whether something is short enough to be seen at once."""
    return text.count("\n") < _OPEN_LINES


def _diff_lines(change: FileChange) -> list[diffs.Line]:
    # Before words are marked: a secret in two parts would not be found.
    diff = redact(change.diff[:LONGEST_TEXT])
    lines = diffs.diff_lines(msgspec.structs.replace(change, diff=diff))
    shown = [line for line in lines if line.kind != "heading"]
    if len(shown) > LONGEST_LINES or len(change.diff) > LONGEST_TEXT:
        shown[LONGEST_LINES:] = [diffs.Line("note", "… the rest is left out …")]
    return diffs.with_words(shown)


def _json(value: object) -> str:
    """A tool's arguments or result as a person reads them: text as it is, large JSON laid out."""
    if isinstance(value, str):
        return value
    encoded = msgspec.json.format(msgspec.json.encode(value), indent=0)
    if len(encoded) < _LONGEST_VALUE:
        return encoded.decode()
    return msgspec.json.format(encoded, indent=2).decode()


def _relative(path: str, folder: str | None) -> str:
    if folder and PurePath(path).is_relative_to(folder):
        return str(PurePath(path).relative_to(folder))
    return path
