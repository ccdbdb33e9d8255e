"""Translates Codex thread items into events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict, TypeVar, cast

import msgspec

from signedin.model import events as e
from signedin.providers.codex import protocol as p

_ItemT = TypeVar("_ItemT", bound=p.ThreadItem)


class _Common(TypedDict):
    """What every event of an item has."""

    item_id: str
    timestamp: float
    payload: msgspec.Raw


_Translate = Callable[[_ItemT, e.ItemStatus, _Common], e.Event | None]


def item_event(
    item: p.ThreadItem, *, started: bool, timestamp: float, payload: msgspec.Raw
) -> e.Event | None:
    """Returns the event that reports that an item has started or ended.

    ``None`` for what has no event (the user's message, review modes) and for the start of texts,
    which their deltas report.
    """
    translate = _TRANSLATIONS.get(type(item))
    if translate is None:
        return None
    status: e.ItemStatus = "started" if started else _end(getattr(item, "status", ""))
    common = _Common(item_id=item.id, timestamp=timestamp, payload=payload)
    return translate(item, status, common)


def _message(
    item: p.AgentMessageThreadItem, status: e.ItemStatus, common: _Common
) -> e.Event | None:
    if status == "started":
        return None
    return e.MessageEvent(text=item.text, phase=item.phase, **common)


def _reasoning(
    item: p.ReasoningThreadItem, status: e.ItemStatus, common: _Common
) -> e.Event | None:
    if status == "started":
        return None
    text = "\n\n".join(item.summary) if item.summary else "".join(item.content)
    return e.ReasoningEvent(text=text, **common)


def _plan(item: p.PlanThreadItem, status: e.ItemStatus, common: _Common) -> e.Event | None:
    if status == "started":
        return None
    return e.PlanEvent(text=item.text, **common)


def _command(item: p.CommandExecutionThreadItem, status: e.ItemStatus, common: _Common) -> e.Event:
    return e.CommandEvent(
        command=item.command,
        status=status,
        cwd=item.cwd or None,
        output=item.aggregated_output or "",
        exit_code=item.exit_code,
        seconds=seconds(item.duration_ms),
        **common,
    )


def _file_change(item: p.FileChangeThreadItem, status: e.ItemStatus, common: _Common) -> e.Event:
    changes = tuple(_change(change) for change in item.changes)
    return e.FileChangeEvent(
        changes=changes,
        status=status,
        text=", ".join(change.path for change in changes),
        **common,
    )


def _change(change: p.FileUpdateChange) -> e.FileChange:
    kind = change.kind.type if change.kind.type in ("add", "delete") else "update"
    return e.FileChange(change.path, kind, change.diff, change.kind.move_path)


def _mcp_call(item: p.McpToolCallThreadItem, status: e.ItemStatus, common: _Common) -> e.Event:
    result: object = None
    error = item.error.message if item.error else None
    if item.result is not None:
        result = item.result.structured_content or list(item.result.content)
        if status == "failed":
            error = error or _texts(item.result.content)
    return e.ToolEvent(
        name=item.tool,
        status=status,
        server=item.server or None,
        arguments=item.arguments,
        result=result,
        error=error,
        seconds=seconds(item.duration_ms),
        **common,
    )


def _texts(content: Iterable[object]) -> str | None:
    """What a tool says of its failure, as the text that it answers with."""
    blocks = (cast("dict[str, object]", block) for block in content if isinstance(block, dict))
    return "\n".join(str(block["text"]) for block in blocks if "text" in block) or None


def _dynamic_call(
    item: p.DynamicToolCallThreadItem, status: e.ItemStatus, common: _Common
) -> e.Event:
    contents = [
        content.text if content.text is not None else msgspec.to_builtins(content)
        for content in item.content_items or ()
    ]
    result: object = contents[0] if len(contents) == 1 else contents or None
    return e.ToolEvent(
        name=item.tool,
        status=status,
        server=item.namespace,
        arguments=item.arguments,
        result=None if status == "failed" else result,
        error=str(result) if status == "failed" else None,
        seconds=seconds(item.duration_ms),
        **common,
    )


def _web_search(item: p.WebSearchThreadItem, status: e.ItemStatus, common: _Common) -> e.Event:
    return e.ToolEvent(
        name="web_search",
        status=status,
        arguments={"query": item.query},
        result=list(item.results) if item.results else None,
        **common,
    )


def _subagent(
    item: p.CollabAgentToolCallThreadItem, status: e.ItemStatus, common: _Common
) -> e.Event:
    return e.ToolEvent(
        name=item.tool,
        status=status,
        server="agents",
        arguments={"prompt": item.prompt, "threads": list(item.receiver_thread_ids)},
        **common,
    )


def _image_view(item: p.ImageViewThreadItem, status: e.ItemStatus, common: _Common) -> e.Event:
    return e.ToolEvent(
        name="view_image",
        status=status,
        arguments={"path": item.path},
        **common,
    )


def _end(status: str) -> e.ItemStatus:
    return status if status in ("failed", "declined") else "completed"


def seconds(milliseconds: int | None) -> float | None:
    """Returns how long something took, ``None`` if that cannot be."""
    return None if milliseconds is None or abs(milliseconds) > 1 << 62 else milliseconds / 1000


_TRANSLATIONS = cast(
    "dict[type[p.ThreadItem], _Translate[p.ThreadItem]]",
    {
        p.AgentMessageThreadItem: _message,
        p.ReasoningThreadItem: _reasoning,
        p.PlanThreadItem: _plan,
        p.CommandExecutionThreadItem: _command,
        p.FileChangeThreadItem: _file_change,
        p.McpToolCallThreadItem: _mcp_call,
        p.DynamicToolCallThreadItem: _dynamic_call,
        p.WebSearchThreadItem: _web_search,
        p.CollabAgentToolCallThreadItem: _subagent,
        p.ImageViewThreadItem: _image_view,
    },
)
