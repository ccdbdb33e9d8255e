"""The keywords of a call: checked where they are given, and laid over those of the client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from signedin.client.budgets import meters_of
from signedin.model.choices import Permissions, Sandbox
from signedin.model.errors import InvalidOptionError
from signedin.model.naming import meant
from signedin.model.options import (
    VENDOR_DEFAULT,
    McpServer,
    Output,
    StrPath,
    TurnKeywords,
    TurnOptions,
    check_choice,
    check_switch,
    checked_directory,
)

if TYPE_CHECKING:
    from signedin.client.budgets import Meter
    from signedin.tools.structured_output import OutputSpec
    from signedin.tools.tool import AnyTool

_RETRY_OPTIONS = frozenset(
    {"max_retries", "retry_backoff_s", "retry_backoff_max_s", "retry_jitter_s", "retry_on_timeout"}
)
"""Spellings of ``retry`` that `Retry.from_provider_options` knows."""

_OF_CLIENTS = frozenset(
    {
        "account",
        "auth_backend",
        "auth_source",
        "billing",
        "binary",
        "command",
        "env_policy",
        "ledger",
        "on_limit",
        "prewarm",
        "transport",
    }
)
_OF_CALLS = frozenset({"output", "resume"})
_OF_MANY = frozenset({"concurrency", "journal", "key", "on_crash", "worktree"})

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", VENDOR_DEFAULT)
"""What the vendors call them; a new word is passed on, unless it looks like one of these."""

_MERGED = ("env", "provider_options", "mcp_servers")


def check_keywords(keywords: TurnKeywords, owner: str = "turn") -> TurnKeywords:
    """Checks keywords as they are given, so that a mistake fails where it was made.

    Paths are made absolute here, against the caller's working directory of this moment, and a
    budget gets the meter that counts for it.

    Args:
        keywords: The keywords.
        owner: What they are given to, as messages about its budget call it.

    Raises:
        InvalidOptionError: Unknown keyword or unusable value.
    """
    given: dict[str, object] = {}
    for name, value in keywords.items():
        if name not in _CHECKS:
            raise InvalidOptionError(f"unknown option {name!r}; {_instead_of(name)}")
        given[name] = _CHECKS[name](name, value)
    if "budget" in given:
        given["budget"] = meters_of(given["budget"], owner)
    options = cast("Mapping[str, object]", given.get("provider_options", {}))
    if not _RETRY_OPTIONS.isdisjoint(options):
        from signedin.model.retry import Retry  # noqa: PLC0415 - costs 5 ms, seldom needed

        retry, given["provider_options"] = Retry.from_provider_options(options)
        given.setdefault("retry", retry)
    return cast("TurnKeywords", given)


def check_prompt(prompt: object) -> None:
    """Refuses what cannot be asked.

    Raises:
        InvalidOptionError: It is not a string, or it is empty.
    """
    if not isinstance(prompt, str):
        raise InvalidOptionError(f"the prompt must be a string, not {prompt!r}")
    if not prompt or prompt.isspace():
        raise InvalidOptionError("the prompt is empty")


def check_many(option: str, given: object) -> None:
    """Refuses what is one of many rather than many: each of its characters would be asked.

    Raises:
        InvalidOptionError: It is a string, bytes, a mapping or a table, or cannot be iterated over.
    """
    kind = type(given).__name__
    if hasattr(given, "columns"):  # a DataFrame gives their names
        raise InvalidOptionError(f"{option} must be a list, not {kind}: give its rows one by one")
    if isinstance(given, str | bytes | bytearray | Mapping) or not isinstance(given, Iterable):
        raise InvalidOptionError(
            f"{option} must be a list or another iterable, not {kind}; put a single one in brackets"
        )


def _instead_of(name: str) -> str:
    """Suggests what to give instead of an unknown keyword."""
    if name in _OF_CLIENTS:
        return "it is given to the client"
    if name in _OF_CALLS:
        return "it is given to run() and stream()"
    if name in _OF_MANY:
        return "it is given to map() or batch()"
    if name == "api_key":
        return "a login needs none; to pay by use, give billing='api' and its variable in env="
    known = f"known options: {', '.join(sorted(_CHECKS))}"
    return known + meant(name, [*_CHECKS, *_OF_CLIENTS, *_OF_CALLS, *_OF_MANY])


def _directory(name: str, value: object) -> object:
    del name
    return None if value is None else checked_directory(cast("StrPath", value))


def _text(name: str, value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise InvalidOptionError(f"{name} must be a string, not {value!r}")
    return value


def _effort(name: str, value: object) -> object:
    if isinstance(value, str) and value not in _EFFORTS:
        for near in get_close_matches(value.lower(), _EFFORTS, n=1, cutoff=0.65):
            if abs(len(near) - len(value)) <= 1:
                raise InvalidOptionError(f"unknown {name} {value!r}; did you mean {near!r}?")
    return _text(name, value)


def _seconds(name: str, value: object) -> object:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InvalidOptionError(f"{name} must be a positive number of seconds, not {value!r}")
    try:
        float(value)
    except OverflowError:
        raise InvalidOptionError(f"{name} is too large; leave it out for no limit") from None
    return value


def _count(name: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidOptionError(f"{name} must be a whole number from 0, not {value!r}")
    return value


def _callback(name: str, value: object) -> object:
    if value is not None and not callable(value):
        raise InvalidOptionError(f"{name} must be a function, not {value!r}")
    return value


def _permissions(name: str, value: object) -> object:
    check_choice(name, value, get_args(Permissions))
    return value


def _sandbox(name: str, value: object) -> object:
    if value is not None:
        check_choice(name, value, get_args(Sandbox))
    return value


def _paths(name: str, value: object) -> object:
    return None if value is None else tuple(_path(name, each) for each in _list(name, value))


def _path(name: str, value: object) -> str:
    path = str(cast("StrPath", value)) if isinstance(value, str | os.PathLike) else ""
    if not (path.startswith("~") or Path(path).is_absolute()):
        raise InvalidOptionError(
            f"{name} must have absolute paths, or such that begin with ~, not {value!r}"
        )
    return path


def _policy(name: str, value: object) -> object:
    if value is None:
        return None
    from signedin.safety.policy.rules import Policy, Rule  # noqa: PLC0415 - costs 10 ms, seldom needed

    return (
        value
        if isinstance(value, Policy)
        else Policy.of(cast("Iterable[Rule]", _list(name, value)))
    )


def _retry(name: str, value: object) -> object:
    if value is not None:
        from signedin.model.retry import Retry  # noqa: PLC0415 - costs 5 ms, seldom needed

        if not isinstance(value, Retry):
            raise InvalidOptionError(f"{name} must be a Retry, not {value!r}")
    return value


def _mapping(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"{name} must be a mapping, not {value!r}")
    for key in cast("Mapping[object, object]", value):
        if not isinstance(key, str):
            raise InvalidOptionError(f"{name} must have names, not {key!r}")
    return dict(cast("Mapping[str, object]", value))  # as it is now, whatever becomes of it


def _budget(name: str, value: object) -> object:
    del name
    return value  # see `meters_of`


def _variables(name: str, value: object) -> object:
    variables = _mapping(name, value)
    for key, each in variables.items():
        if not key or "=" in key or not _is_for_programs(key):
            raise InvalidOptionError(f"{name}: {key!r} cannot be the name of a variable")
        if each is not None and not isinstance(each, str):
            raise InvalidOptionError(f"{name}[{key!r}] must be a string or None, not {each!r}")
        if each is not None and not _is_for_programs(each):  # which may be a secret
            raise InvalidOptionError(f"{name}[{key!r}] has a character that no variable can have")
    return variables


def _is_for_programs(text: str) -> bool:
    """Whether a program can be given a text: without a NUL, and in the system's encoding."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _mcp_servers(name: str, value: object) -> object:
    return {key: _mcp_server(f"{name}[{key!r}]", v) for key, v in _mapping(name, value).items()}


def _mcp_server(name: str, value: object) -> McpServer:
    if isinstance(value, McpServer):
        return value
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"{name} must be an McpServer, not {value!r}")
    try:
        return McpServer(**cast("dict[str, Any]", dict(cast("Mapping[str, object]", value))))
    except InvalidOptionError as error:
        raise InvalidOptionError(f"{name}: {error}") from None


def _list(name: str, value: object) -> Sequence[object]:
    if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable):
        raise InvalidOptionError(f"{name} must be a list, not {value!r}")
    return tuple(cast("Iterable[object]", value))


def _tools(name: str, value: object) -> object:
    from signedin.tools.tool import Toolbox  # noqa: PLC0415 - costs 20 ms, seldom needed

    toolbox = Toolbox(cast("Sequence[AnyTool]", _list(name, value)))
    return tuple(toolbox.tools.values())


def _images(name: str, value: object) -> object:
    images = _list(name, value)
    for image in images:
        if isinstance(image, bytes):
            _check_image(image, f"{len(image)} bytes in {name}")
        elif not isinstance(image, str | os.PathLike):
            raise InvalidOptionError(f"{name} must be paths, addresses or bytes, not {image!r}")
        else:
            _check_image_file(os.fspath(cast("StrPath", image)))
    return images


def _check_image_file(name: str) -> None:
    """Looks into a file; that there is one is for the provider to say."""
    if not name.startswith(("data:", "https:", "http:")) and Path(name).is_file():
        with Path(name).open("rb") as file:
            _check_image(file.read(16), f"image {name!r}")


def _check_image(beginning: bytes, what: str) -> None:
    from signedin.tools.content import image_type  # noqa: PLC0415 - seldom needed

    if image_type(beginning) is None:
        raise InvalidOptionError(f"{what}: unsupported format; use PNG, JPEG, GIF or WebP")


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "cwd": _directory,
    "model": _text,
    "effort": _effort,
    "timeout": _seconds,
    "idle_timeout": _seconds,
    "budget": _budget,
    "env": _variables,
    "permissions": _permissions,
    "sandbox": _sandbox,
    "sandbox_exclude_read": _paths,
    "instructions": _text,
    "images": _images,
    "policy": _policy,
    "on_approval": _callback,
    "on_question": _callback,
    "tools": _tools,
    "mcp_servers": _mcp_servers,
    "output_retries": _count,
    "retry": _retry,
    "ephemeral": check_switch,
    "trust_project": check_switch,
    "provider_options": _mapping,
}
"""What looks at the value of each keyword and returns it as it is to be used."""


def merge_keywords(defaults: TurnKeywords, keywords: TurnKeywords) -> TurnKeywords:
    """Lays checked keywords over checked defaults, merging mappings by key, two levels deep.

    Budgets all hold: none replaces another.
    """
    merged: dict[str, object] = {**defaults, **keywords}
    if "budget" in merged:
        both = (defaults.get("budget"), keywords.get("budget"))
        merged["budget"] = sum((cast("tuple[Meter, ...]", each or ()) for each in both), ())
    for name in _MERGED:
        if name in defaults and name in keywords:
            merged[name] = _merge_mappings(
                cast("Mapping[str, object]", defaults.get(name)),
                cast("Mapping[str, object]", keywords.get(name)),
            )
    return cast("TurnKeywords", merged)


def _merge_mappings(
    defaults: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    """Lays one mapping over another; where both have a mapping, those are merged as well."""
    merged = {**defaults, **given}
    for key in defaults.keys() & given.keys():
        below, above = defaults[key], given[key]
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            merged[key] = {
                **cast("Mapping[str, object]", below),
                **cast("Mapping[str, object]", above),
            }
    return merged


def resolve(
    defaults: TurnKeywords, keywords: TurnKeywords, output: Output | None = None
) -> TurnOptions:
    """Fills a turn's checked keywords up with checked defaults; mappings are merged by key."""
    merged: dict[str, Any] = {**merge_keywords(defaults, keywords)}
    merged["cwd"] = merged.get("cwd") or checked_directory(".")
    spec: OutputSpec[object] | None = None
    if output is not None:
        from signedin.tools.structured_output import OutputSpec  # noqa: PLC0415 - costs 20 ms, seldom needed

        spec = OutputSpec.of(output)
    return TurnOptions(output=spec, **merged)
