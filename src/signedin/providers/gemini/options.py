"""Translates `TurnOptions` for Gemini CLI, and builds the environment of its process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import cast

import msgspec

from signedin.accounts.billing import assure_billing
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import VENDOR_DEFAULT, TurnOptions
from signedin.providers.acp.dialect import NO_SHARED_FOLDER
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.gemini.account.home import home_changes
from signedin.providers.gemini.account.method import (
    GOOGLE_LOGIN,
    NOBODY,
    Start,
    check_signed_in,
    chosen_method,
    findings,
    interpret,
    without_project,
)
from signedin.providers.gemini.account.variables import ADDRESS_VARIABLE
from signedin.providers.gemini.trust import VARIABLE as TRUST_VARIABLE, check_trust, trust
from signedin.providers.shared.binary import locate
from signedin.providers.shared.environment import child_environment

ACP = "gemini-acp"
HEADLESS = "gemini-cli"
DEFAULT_MODEL = "auto"
MODEL_VARIABLE = "GEMINI_MODEL"
VARIABLE = "SIGNEDIN_GEMINI_BINARY"
INSTALL = "npm install -g @google/gemini-cli"
GOOGLE_ADDRESS = "https://cloudcode-pa.googleapis.com"

PROCESS_DEFAULTS: Mapping[str, str] = {
    # Without it the program starts a second one, which signals to the first do not reach.
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "GEMINI_CLI_SURFACE": "signedin",
    # Nobody would see a browser; signing in is checked before.
    "NO_BROWSER": "true",
}
"""Set for every process; a caller's ``env`` takes precedence."""

APPROVAL_MODES = ("default", "auto_edit", "yolo", "plan")

_KNOWN_OPTIONS = frozenset(
    {"approval_mode", "extra_argv", "include_directories", "sandbox", "yolo"}
)


def find_gemini(config: ProviderConfig) -> Installation:
    """Looks for Gemini CLI: ``binary``, ``SIGNEDIN_GEMINI_BINARY``, ``PATH``."""
    return locate(
        explicit=config.binary,
        variable=VARIABLE,
        packaged=lambda: None,
        command="gemini",
        install=INSTALL,
    )


def findings_for(config: ProviderConfig, options: TurnOptions) -> tuple[str, ...]:
    """Returns what the user should know before a session begins."""
    return findings(start_with(config, options, home_changes(config)))


def start(config: ProviderConfig, options: TurnOptions) -> Start:
    """Returns how to start Gemini, and creates its isolated home.

    Raises:
        PermissionDeniedError: It would follow what an untrusted project configures.
        AuthRequiredError: Nobody is signed in.
        BillingError: It would be billed in another way than the caller chose.
    """
    check_trust(options, headless=config.transport != ACP)
    chosen = start_with(config, options, home_changes(config))
    if config.billing is not None:
        assure_billing(interpret(NOBODY, chosen), config.billing)
    check_signed_in(chosen)
    return chosen


def start_with(
    config: ProviderConfig, options: TurnOptions, changes: Mapping[str, str | None]
) -> Start:
    """Returns how Gemini would be started.

    Args:
        config: The configuration of the client.
        options: The caller's variables and working directory.
        changes: The variables that make it use an isolated login.
    """
    acp = config.transport == ACP
    given: dict[str, str | None] = {
        **PROCESS_DEFAULTS,
        **NO_SHARED_FOLDER,
        **trust(options, headless=not acp),
        **changes,
        **options.env,
    }
    env = child_environment("gemini", config.env_policy, given)
    start = without_project(
        Start(
            env=env,
            cwd=options.cwd,
            trusted=env.get(TRUST_VARIABLE) == "true",
            acp=acp,
        )
    )
    method, _ = chosen_method(start)
    if method != GOOGLE_LOGIN or ADDRESS_VARIABLE in options.env:
        return start
    # Removing it is not enough: the project's .env file could set it again.
    return msgspec.structs.replace(
        start,
        env={**start.env, ADDRESS_VARIABLE: GOOGLE_ADDRESS},
        removed=(ADDRESS_VARIABLE,) if env.get(ADDRESS_VARIABLE) else (),
    )


def model(options: TurnOptions) -> str | None:
    """Returns the model to ask for, ``None`` for the vendor's own default."""
    if options.model is not None:
        return None if options.model == VENDOR_DEFAULT else options.model
    named = {**os.environ, **options.env}.get(MODEL_VARIABLE)
    return None if named else DEFAULT_MODEL


def check_options(options: TurnOptions) -> None:
    """Refuses what Gemini cannot honour.

    Raises:
        UnsupportedOptionError: It does not support a keyword.
        InvalidOptionError: A provider option that is not one of Gemini's.
    """
    if options.effort not in (None, VENDOR_DEFAULT):
        raise UnsupportedOptionError(
            "gemini", "effort", "its models choose their effort themselves"
        )
    for given in options.provider_options:
        if given not in _KNOWN_OPTIONS:
            raise InvalidOptionError(
                f"gemini has no provider option {given!r}; known: "
                f"{', '.join(sorted(_KNOWN_OPTIONS))}"
            )
    for name in ("sandbox", "yolo"):
        if not isinstance(value := options.provider_options.get(name, False), bool):
            raise InvalidOptionError(f"{name} must be True or False, not {value!r}")
    approval_mode(options)
    arguments(options)


def approval_mode(options: TurnOptions) -> str | None:
    """Returns the approval mode the caller names, ``None`` without one.

    Raises:
        InvalidOptionError: There is no such mode.
    """
    chosen = options.provider_options.get("approval_mode")
    if chosen is None:
        return "yolo" if options.provider_options.get("yolo") else None
    if chosen not in APPROVAL_MODES:
        raise InvalidOptionError(
            f"approval_mode must be one of {', '.join(APPROVAL_MODES)}, not {chosen!r}"
        )
    return str(chosen)


def arguments(options: TurnOptions) -> list[str]:
    """Returns the arguments that both transports take.

    Raises:
        InvalidOptionError: A value that cannot be an argument.
    """
    argv: list[str] = []
    if options.provider_options.get("sandbox"):
        argv.append("--sandbox")
    for folder in _strings(options, "include_directories"):
        argv += ["--include-directories", folder]
    return [*argv, *_strings(options, "extra_argv")]


def _strings(options: TurnOptions, name: str) -> list[str]:
    given = options.provider_options.get(name, ())
    values = cast("list[object]", given) if isinstance(given, list | tuple) else [None]
    if not all(isinstance(value, str) for value in values):
        raise InvalidOptionError(f"{name} must be a list of strings, not {given!r}")
    return [str(value) for value in values]
