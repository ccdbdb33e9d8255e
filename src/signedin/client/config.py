"""Defaults from files: the user's, and those of the project, which may only ask for less."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack, cast, get_args

import msgspec

from signedin.model.choices import Billing, Permissions, Sandbox
from signedin.model.errors import InvalidOptionError

if TYPE_CHECKING:
    from signedin.model.options import StrPath, TurnKeywords

VARIABLE = "SIGNEDIN_CONFIG"
"""Names the user's file, if it is not in its usual place."""

OF_PROVIDER = ("model", "effort", "account", "billing")
"""What is about the provider: it does not hold for another one that is named elsewhere."""

VARIABLES = ("provider", *OF_PROVIDER, "permissions", "sandbox", "policy")
"""What a variable can give, such as ``SIGNEDIN_MODEL``."""

_OWN = ("account", "billing", "policy")
"""What a project may not say: who pays, and what is allowed."""

_LEVELS: Mapping[str, tuple[str, ...]] = {
    "permissions": get_args(Permissions),
    "sandbox": get_args(Sandbox),
}
"""What a project may only lower, the least first."""


class Values(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file gives, at its top or in a profile."""

    provider: str | None = None
    model: str | None = None
    effort: str | None = None
    account: str | None = None
    billing: Billing | None = None
    permissions: Permissions | None = None
    sandbox: Sandbox | None = None
    policy: str | None = None
    budget: dict[str, int | float] = {}


class Document(Values, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file.

    Attributes:
        profiles: More values, which take precedence where the profile is named.
    """

    profiles: dict[str, Values] = {}


class Setting(msgspec.Struct, frozen=True):
    """A value and where it comes from."""

    value: object
    source: str


def user_file() -> Path:
    """Returns where the user's file is, or would be."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    if not Path(folder).is_absolute():
        folder = os.environ.get("APPDATA", "~/.config") if os.name == "nt" else "~/.config"
    return Path(folder).expanduser() / "signedin" / "config.toml"


def settings(profile: str | None = None, cwd: StrPath | None = None) -> dict[str, Setting]:
    """Returns the defaults of a folder, by their names; a budget as ``budget.tokens`` and so on.

    Variables take precedence over files, a profile over what is outside of profiles, the project
    over the user. What is about a provider is left out if another provider takes precedence.

    Args:
        profile: Its name.
        cwd: The working directory, whose project may have a ``pyproject.toml``.

    Raises:
        InvalidOptionError: A file cannot be used, the project asks for more than the user gives, or
            there is no such profile.
    """
    profile = profile or os.environ.get("SIGNEDIN_PROFILE")
    if os.environ.get(VARIABLE) and not user_file().exists():
        raise InvalidOptionError(f"{VARIABLE} names {user_file()}, which does not exist")
    user = _read(user_file(), ())
    project = _read(_project_file(Path(cwd or ".")), ("tool", "signedin"))
    named = [part for part in (user, project) if part and profile in part[0].profiles]
    if profile is not None and not named:
        raise InvalidOptionError(_no_profile(profile, (user, project)))
    found: dict[str, Setting] = {}
    parts = [(part, None) for part in (user, project) if part] + [(part, profile) for part in named]
    for (document, path), name in parts:
        values = document if name is None else document.profiles[name]
        source = str(path) if name is None else f"{path} [profiles.{name}]"
        of_user = user is not None and path == user[1]
        for key, value in _given(values, path):
            if not of_user:
                _check_project(key, value, found, source)
            _set(found, key, Setting(value, source))
    for name in VARIABLES:
        if value := os.environ.get(variable := f"SIGNEDIN_{name.upper()}"):
            _set(found, name, Setting(value, variable))
    return found


def for_provider(found: Mapping[str, Setting], provider: str | None) -> dict[str, Setting]:
    """Returns defaults without those of another provider than the one that is named elsewhere."""
    if provider is None or ("provider" in found and found["provider"].value == provider):
        return dict(found)
    return {name: setting for name, setting in found.items() if name not in OF_PROVIDER}


def _set(found: dict[str, Setting], key: str, setting: Setting) -> None:
    if key == "provider":
        kept = for_provider(found, cast("str", setting.value))
        found.clear()
        found.update(kept)
    found[key] = setting


class FromConfig:
    """Clients that are made with the defaults of files."""

    @classmethod
    def from_config(cls, profile: str | None = None, /, **keywords: Unpack[TurnKeywords]) -> Self:
        """Makes a client with the user's defaults and those of the project.

        Args:
            profile: Name of a profile in the user's ``config.toml`` or in the project's
                ``pyproject.toml``; ``SIGNEDIN_PROFILE`` if not given.
            **keywords: What takes precedence over them, see `TurnKeywords`. ``cwd`` is the folder
                whose project counts; the current one if not given.

        Raises:
            InvalidOptionError: A file cannot be used, the project asks for more than the user
                gives, there is no such profile, or nothing names a provider.
        """
        made = cast("Callable[..., Self]", cls)
        return made(**{**_keywords(profile, keywords.get("cwd")), **keywords})


def _keywords(profile: str | None, cwd: StrPath | None) -> dict[str, object]:
    found = {name: setting.value for name, setting in settings(profile, cwd).items()}
    if "provider" not in found:
        hint = f"write provider = … to {user_file()}, or set SIGNEDIN_PROVIDER"
        raise InvalidOptionError(f"no provider is configured; {hint}")
    limits = {name.removeprefix("budget."): found.pop(name) for name in list(found) if "." in name}
    if limits:
        from signedin.model.budget import Budget  # noqa: PLC0415 - seldom needed

        found["budget"] = Budget(**cast("dict[str, Any]", limits))
    if "policy" in found:
        from signedin.safety.policy.rules import Policy  # noqa: PLC0415 - seldom needed

        found["policy"] = Policy.from_file(str(found["policy"]))
    return found


def _given(values: Values, path: Path) -> Iterator[tuple[str, object]]:
    from signedin.model.budget import WORDS  # noqa: PLC0415 - not for help

    for name in Values.__struct_fields__:
        value = getattr(values, name)
        if name == "budget":
            for limit, amount in value.items():
                if limit not in WORDS:
                    known = ", ".join(WORDS)
                    raise InvalidOptionError(f"{path}: budget has no {limit!r}; it has {known}")
                yield f"budget.{limit}", amount
        elif name == "policy" and value is not None:
            yield name, str(path.parent / Path(value).expanduser())
        elif value is not None:
            yield name, value


def _check_project(key: str, value: object, found: Mapping[str, Setting], source: str) -> None:
    """Checks that a project does not allow itself more than the user gives.

    Raises:
        InvalidOptionError: It does.
    """
    before = found[key].value if key in found else None
    refused = ""
    if key in _OWN:
        refused = "a project may not set it"
    elif key in _LEVELS:
        levels = _LEVELS[key]
        usual = before if before is not None else levels[0]
        if levels.index(str(value)) > levels.index(str(usual)):
            refused = f"a project may not raise it above {usual!r}"
    elif key.startswith("budget.") and cast("float", value) > cast("float", before or value):
        refused = f"a project may not raise it above {before!r}"
    if refused:
        raise InvalidOptionError(
            f"{source}: {key} = {value!r}: {refused}; if you want it, write it to {user_file()}"
        )


def _project_file(folder: Path) -> Path | None:
    """Returns the ``pyproject.toml`` of a folder, looked for upwards to the top of the project."""
    here = Path(os.path.abspath(folder))  # noqa: PTH100 - links keep their names
    for each in (here, *here.parents):
        if (each / "pyproject.toml").is_file():
            return each / "pyproject.toml"
        if (each / ".git").exists():
            return None
    return None


def _read(path: Path | None, tables: tuple[str, ...]) -> tuple[Document, Path] | None:
    """Reads the tables of a file that are about signedin; ``None`` if there are none.

    Raises:
        InvalidOptionError: It is not TOML, or has something in it that is not known.
    """
    if path is None or not path.is_file():
        return None
    text = ""
    try:
        text = path.read_text("utf-8")
        if tables and tables[-1] not in text:
            return None
        import tomllib  # noqa: PLC0415 - most have no such file

        content: object = tomllib.loads(text)
    except (OSError, ValueError) as error:
        if tables and f"[{'.'.join(tables)}" not in text:  # the trouble of others
            return None
        raise InvalidOptionError(f"{path}: {error}") from error
    for table in tables:
        content = content.get(table) if isinstance(content, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if content is None:
        return None
    try:
        return msgspec.convert(content, Document), path
    except msgspec.ValidationError as error:
        where = f"{path} [{'.'.join(tables)}]" if tables else str(path)
        known = f"; known are {', '.join(Document.__struct_fields__)}"
        hint = known if str(error).startswith("Object contains unknown field") else ""
        raise InvalidOptionError(f"{where}: {error}{hint}") from error


def _no_profile(profile: str, parts: tuple[tuple[Document, Path] | None, ...]) -> str:
    names = sorted({name for part in parts if part for name in part[0].profiles})
    listed = f"; there are {', '.join(names)}" if names else ""
    return f"there is no profile {profile!r} in {user_file()} or the project{listed}"
