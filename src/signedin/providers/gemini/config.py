"""The words of `TurnOptions` in Gemini's own, and the environment of its process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from signedin.accounts.billing import assure_billing
from signedin.accounts.environment import child_environment
from signedin.errors import InvalidOptionError, UnsupportedOptionError
from signedin.options import VENDOR_DEFAULT, TurnOptions
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.binary import locate
from signedin.providers.gemini.account import check_signed_in, home_changes
from signedin.providers.gemini.billing import NOBODY, interpret

ACP = "gemini-acp"
HEADLESS = "gemini-cli"
DEFAULT_MODEL = "auto"
MODEL_VARIABLE = "GEMINI_MODEL"
VARIABLE = "SIGNEDIN_GEMINI_BINARY"
INSTALL = "npm install -g @google/gemini-cli"

PROCESS_DEFAULTS: Mapping[str, str] = {
    # Without it the program starts a second one, which signals to the first do not reach.
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "GEMINI_CLI_SURFACE": "signedin",
    # Nobody is there to see a browser; signing in is checked before.
    "NO_BROWSER": "true",
}
"""Set for every process; a caller's ``env`` goes before."""

APPROVAL_MODES = ("default", "auto_edit", "yolo", "plan")

_KNOWN_OPTIONS = frozenset(
    {"approval_mode", "extra_argv", "include_directories", "sandbox", "trust_workspace", "yolo"}
)


def find_gemini(config: ProviderConfig) -> Installation:
    """Looks for Gemini CLI: named, ``SIGNEDIN_GEMINI_BINARY``, ``PATH``."""
    return locate(
        explicit=config.binary,
        variable=VARIABLE,
        packaged=lambda: None,
        command="gemini",
        install=INSTALL,
    )


def environment(config: ProviderConfig, options: TurnOptions, *, trusted: bool) -> dict[str, str]:
    """Returns the environment of the process.

    Args:
        config: Whose login is used.
        options: The caller's variables.
        trusted: Whether Gemini may follow what the working directory says: its settings, its
            ``.env``, its MCP servers and hooks.

    Raises:
        AuthRequiredError: Nobody is signed in.
        BillingError: It would not run on what the caller wants to pay with.
    """
    changes: dict[str, str | None] = {
        **PROCESS_DEFAULTS,
        "GEMINI_CLI_TRUST_WORKSPACE": "true" if trusted else "false",
        **home_changes(config),
        **options.env,
    }
    env = child_environment("gemini", config.env_policy, changes)
    if config.billing is not None:
        assure_billing(interpret(NOBODY, env), config.billing)
    check_signed_in(env)
    return env


def model(options: TurnOptions) -> str | None:
    """Returns the model to ask for, ``None`` for the vendor's own default."""
    if options.model is not None:
        return None if options.model == VENDOR_DEFAULT else options.model
    return None if options.env.get(MODEL_VARIABLE) else DEFAULT_MODEL


def check_options(options: TurnOptions) -> None:
    """Refuses what Gemini cannot honour.

    Raises:
        UnsupportedOptionError: A keyword that it has nothing for.
        InvalidOptionError: A provider option that is not one of Gemini's.
    """
    if options.effort not in (None, VENDOR_DEFAULT):
        raise UnsupportedOptionError("gemini", "effort", "its models choose their effort alone")
    for given in options.provider_options:
        if given not in _KNOWN_OPTIONS:
            raise InvalidOptionError(
                f"gemini has no provider option {given!r}; known: "
                f"{', '.join(sorted(_KNOWN_OPTIONS))}"
            )


def approval_mode(options: TurnOptions) -> str | None:
    """Returns the approval mode the caller names, ``None`` if that is none.

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


def trust_wanted(options: TurnOptions, *, default: bool) -> bool:
    """Whether Gemini may follow what the working directory says."""
    return bool(options.provider_options.get("trust_workspace", default))


def _strings(options: TurnOptions, name: str) -> list[str]:
    given = options.provider_options.get(name, ())
    values = cast("list[object]", given) if isinstance(given, list | tuple) else [None]
    if not all(isinstance(value, str) for value in values):
        raise InvalidOptionError(f"{name} must be a list of strings, not {given!r}")
    return [str(value) for value in values]
