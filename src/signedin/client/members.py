"""The providers of a client: what is checked when it is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args

import msgspec

from signedin.accounts.homes import isolated_home
from signedin.client.keywords import check_keywords, merge_keywords
from signedin.model.capabilities import check_supported, common_capabilities
from signedin.model.choices import AuthSource, Billing, CassetteMode, EnvPolicy, OnLimit
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import StrPath, TurnKeywords, TurnOptions, check_choice, check_switch
from signedin.providers.base import Installation, Provider, ProviderConfig, ProviderSpec

if TYPE_CHECKING:
    from signedin.cassettes.cassette import Cassette
    from signedin.providers.fallback.members import Member

ProviderChoice: TypeAlias = "str | tuple[str, Mapping[str, object]]"
"""A provider, or one with the keywords that hold for it only."""

_OF_TURNS = ("model", "effort", "env", "provider_options")
_OF_CLIENTS = ("transport", "binary", "command", "auth_source", "account", "env_policy", "ledger")
_OF_ONE = ("transport", "binary", "command", "account")
"""Keywords of clients that cannot hold for several providers."""


class ClientChoices(msgspec.Struct, frozen=True, kw_only=True):
    """What a client was asked for about a provider, before it is checked."""

    transport: str | None = None
    binary: StrPath | None = None
    auth_source: AuthSource = "auto"
    account: str | None = None
    billing: Billing | None = None
    env_policy: EnvPolicy = "minimal"
    command: Sequence[str] | None = None
    ledger: bool = True
    cassette: Cassette | None = None


def configured(spec: ProviderSpec, choices: ClientChoices) -> ProviderConfig:
    """Checks what a client was asked for.

    Raises:
        UnsupportedOptionError: The provider has no such transport, or cannot honour a keyword.
        InvalidOptionError: A value cannot be used.
    """
    transports = list(spec.transports)
    if choices.transport is not None and choices.transport not in transports:
        raise UnsupportedOptionError(
            spec.name,
            f"transport={choices.transport}",
            f"choose one of {', '.join(transports)}",
        )
    _check_program(spec, choices)
    check_choice("auth_source", choices.auth_source, get_args(AuthSource))
    check_switch("ledger", choices.ledger)
    if choices.billing is not None:
        check_choice("billing", choices.billing, get_args(Billing))
    if choices.account is not None:
        _check_account(spec.name, choices.account, choices.auth_source)
    return ProviderConfig(
        transport=choices.transport or transports[0],
        binary=Path(choices.binary).expanduser() if choices.binary is not None else None,
        command=_checked_command(choices.command),
        auth_source=choices.auth_source,
        account=choices.account,
        billing=choices.billing,
        env_policy=choices.env_policy,
        ledger=choices.ledger,
        cassette=choices.cassette,
    )


def opened_cassette(path: StrPath | None, mode: CassetteMode | None) -> Cassette | None:
    """Returns the cassette of a client, if it has one.

    Args:
        path: As given, also opened; else ``SIGNEDIN_CASSETTE`` names it.
        mode: As given; else ``SIGNEDIN_CASSETTE_MODE`` has it, or it is ``once``.

    Raises:
        InvalidOptionError: There is no such mode, or a mode without a cassette.
        CassetteError: It cannot be used.
    """
    path = path if path is not None else os.environ.get("SIGNEDIN_CASSETTE")
    if not path:
        if mode is not None:
            raise InvalidOptionError("cassette_mode= is about a cassette: give cassette= as well")
        return None
    mode = mode or cast("CassetteMode", os.environ.get("SIGNEDIN_CASSETTE_MODE") or "once")
    check_choice("cassette_mode", mode, get_args(CassetteMode))
    from signedin.cassettes.cassette import Cassette  # noqa: PLC0415 - seldom needed

    if isinstance(path, Cassette):
        return path
    return Cassette(Path(path).expanduser().absolute(), mode)


def save_cassette(
    cassette: Cassette, configs: Mapping[str, ProviderConfig], load: Callable[[str], ProviderSpec]
) -> None:
    """Writes what was recorded, unless a secret of this machine is in it.

    Args:
        cassette: The cassette.
        configs: How each provider of the client is driven, by its name.
        load: Finds a provider by its name.

    Raises:
        CassetteError: One is, or it cannot be written.
    """
    from signedin.accounts.stored_secrets import stored_secrets  # noqa: PLC0415 - seldom needed
    from signedin.model.redact import know  # noqa: PLC0415 - seldom needed
    from signedin.providers.shared.binary import with_known_version  # noqa: PLC0415 - seldom needed

    know(stored_secrets())
    agents = [with_known_version(load(name).find(config)) for name, config in configs.items()]
    cassette.save(", ".join(agent.version or "" for agent in agents))


def members_of(
    providers: str | Sequence[ProviderChoice],
    on_limit: OnLimit | None,
    choices: ClientChoices,
    load: Callable[[str], ProviderSpec],
) -> list[Member]:
    """Checks the providers of a client that does something when a plan is used up.

    Args:
        providers: As the caller has given them.
        on_limit: What is to be done.
        choices: What holds for all of them.
        load: Finds a provider by its name.

    Raises:
        UnsupportedProviderError: There is no such provider.
        InvalidOptionError: They cannot be used together, or a keyword cannot be used.
    """
    from signedin.providers.fallback.members import check_vendors  # noqa: PLC0415 - seldom needed

    if not isinstance(providers, str | list | tuple):
        raise InvalidOptionError(
            f"the provider must be a name, or a list of names, not {providers!r}"
        )
    given = [providers] if isinstance(providers, str) else list(providers)
    if not given:
        raise InvalidOptionError("a client needs a provider; the list is empty")
    if on_limit is None:
        raise InvalidOptionError(
            f"several providers need on_limit=: one of {', '.join(get_args(OnLimit))}"
        )
    check_choice("on_limit", on_limit, get_args(OnLimit))
    if len(given) == 1 and on_limit in {"next", "handover"}:
        raise InvalidOptionError(f"on_limit={on_limit!r} needs several providers: name the next")
    if len(given) > 1:
        _check_common(choices)
    members = [_member(each, choices, load) for each in given]
    check_vendors(members)
    return members


def combined(
    members: Sequence[Member], on_limit: OnLimit | None
) -> tuple[ProviderSpec, ProviderConfig]:
    """Returns several providers as one, which can do what all of them can."""
    from signedin.providers.fallback.provider import FallbackProvider  # noqa: PLC0415 - seldom needed

    def create(config: ProviderConfig) -> Provider:
        del config
        return FallbackProvider(members, on_limit or "raise")

    def find(config: ProviderConfig) -> Installation:
        del config
        raise UnsupportedOptionError(name, "installation", "ask a client of one of them")

    first = members[0]
    if len(members) == 1:  # it is asked like any other: about its models, for one
        return msgspec.structs.replace(first.spec, create=create), first.config
    name = ",".join(member.name for member in members)
    transport = ",".join(member.config.transport for member in members)
    common = common_capabilities({member.name: member.capabilities for member in members})
    spec = ProviderSpec(name=name, transports={transport: common}, create=create, find=find)
    return spec, ProviderConfig(transport=transport, billing=first.config.billing)


def _member(choice: object, choices: ClientChoices, load: Callable[[str], ProviderSpec]) -> Member:
    from signedin.providers.fallback.members import Member  # noqa: PLC0415 - seldom needed

    name, given = _name_and_keywords(choice)
    own = {key: value for key, value in given.items() if key in _OF_CLIENTS}
    turn = {key: value for key, value in given.items() if key in _OF_TURNS}
    keywords = check_keywords(cast("TurnKeywords", turn))
    spec = load(name)
    config = configured(spec, msgspec.structs.replace(choices, **own))
    check_supported(spec.name, spec.transports[config.transport], keywords)
    return Member(spec=spec, config=config, options_of=partial(_with_own, keywords))


def _name_and_keywords(choice: object) -> tuple[str, Mapping[str, object]]:
    parts: tuple[object, ...] = (choice, {}) if isinstance(choice, str) else ()
    if isinstance(choice, tuple | list):
        parts = tuple(cast("Sequence[object]", choice))
    if len(parts) != 2 or not isinstance(parts[0], str) or not isinstance(parts[1], Mapping):
        raise InvalidOptionError(f"a provider is a name or (name, keywords), not {choice!r}")
    keywords = cast("Mapping[str, object]", parts[1])
    for key in keywords:
        if key not in (*_OF_CLIENTS, *_OF_TURNS):
            raise InvalidOptionError(
                f"{key!r} is not a keyword of one provider among several, which are "
                f"{', '.join((*_OF_CLIENTS, *_OF_TURNS))}; give it to the client"
            )
    return parts[0], keywords


def _check_common(choices: ClientChoices) -> None:
    for name in _OF_ONE:
        if getattr(choices, name) is not None:
            raise InvalidOptionError(
                f"{name} is of one provider; give it as (provider, {{{name!r}: …}})"
            )


def _with_own(own: TurnKeywords, options: TurnOptions) -> TurnOptions:
    """Lays the keywords of one provider over the options of a turn."""
    given = cast("TurnKeywords", {name: getattr(options, name) for name in own})
    merged = cast("dict[str, Any]", merge_keywords(given, own))
    return msgspec.structs.replace(options, **merged)


def _check_program(spec: ProviderSpec, choices: ClientChoices) -> None:
    if choices.command is not None and not spec.takes_command:
        hint = "it knows what to start; binary= names another program"
        raise UnsupportedOptionError(spec.name, "command", hint)
    check_choice("env_policy", choices.env_policy, get_args(EnvPolicy))
    if spec.takes_binary:
        return
    if choices.binary is not None:
        raise UnsupportedOptionError(spec.name, "binary", "there is no program to run")
    if choices.env_policy != "minimal":
        raise UnsupportedOptionError(spec.name, "env_policy", "there is no program to run")


def _checked_command(command: Sequence[str] | None) -> tuple[str, ...]:
    if command is None:
        return ()
    parts = cast("tuple[object, ...]", tuple(command) if isinstance(command, list | tuple) else ())
    if not parts or not all(isinstance(part, str) for part in parts):
        raise InvalidOptionError(
            f"command must be a list of a program and its arguments, not {command!r}"
        )
    return tuple(str(part) for part in parts)


def _check_account(provider: str, account: str, source: AuthSource) -> None:
    isolated_home(provider, account)  # refuses what cannot be a name
    if source == "external":
        raise InvalidOptionError(
            f"account={account!r} names an isolated login, and auth_source='external' asks for the "
            "vendor's own; give one of them"
        )
