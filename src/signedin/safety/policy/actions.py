"""What a request of an agent amounts to, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import urlsplit

from signedin.model.approvals import ApprovalRequest
from signedin.safety.policy.shell import Action, take_apart

_PATHS = ("file_path", "filePath", "path", "notebook_path", "absolute_path")
_READERS = frozenset({"glob", "grep", "ls", "notebookread", "read", "read_file", "view_image"})


def actions_of(request: ApprovalRequest, *, take_commands_apart: bool) -> list[Action]:
    """Returns the parts of a request, at least one.

    Raises:
        UnparsableError: It is a command that cannot be taken apart.
    """
    actions = list(_actions(request, take_commands_apart=take_commands_apart))
    if request.permissions is not None or not actions:
        actions.append(Action("permission", (request.subject,)))
    return actions


def _actions(request: ApprovalRequest, *, take_commands_apart: bool) -> Iterator[Action]:
    match request.subject:
        case "command" if request.command and take_commands_apart:
            yield from take_apart(request.command)
        case "file_change":
            for change in request.changes:
                yield Action("write", (change.path,))
                if change.moved_to:
                    yield Action("write", (change.moved_to,))
            if not request.changes:
                yield Action("write", (None,))
        case "network":
            yield Action("network", (_host(request.arguments),))
        case "tool":
            yield from _tool(request)
        case _:
            pass


def _tool(request: ApprovalRequest) -> Iterator[Action]:
    name = request.tool or ""
    yield Action("tool", (f"{request.server}.{name}" if request.server else name,))
    if request.server is None and name.casefold() in _READERS:
        arguments = _mapping(request.arguments)
        named = [path for key in _PATHS if isinstance(path := arguments.get(key), str)]
        found = arguments.get("pattern") if name.casefold() == "glob" else None
        # a search is in the working directory, if nothing else is said
        for path in (*(named or ["."]), *([found] if isinstance(found, str) else [])):
            yield Action("read", (path,), incidental=True)


def _host(arguments: object) -> str | None:
    given = _mapping(arguments)
    if isinstance(host := given.get("host"), str):
        return host
    url = given.get("url")
    return urlsplit(url).hostname if isinstance(url, str) else None


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
