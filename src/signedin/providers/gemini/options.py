"""Translates `TurnOptions` for Gemini CLI, and builds the environment of its process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from signedin.accounts.billing import assure_billing
from signedin.model.errors import UnsupportedOptionError
from signedin.model.options import TurnOptions, chosen
from signedin.providers.acp.dialect import NO_SHARED_FOLDER
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.gemini.account.home import find_folder, home_changes
from signedin.providers.gemini.account.method import (
    GOOGLE_LOGIN,
    NOBODY,
    GeminiStart,
    check_signed_in,
    chosen_method,
    findings,
    interpret,
    without_project,
)
from signedin.providers.gemini.account.variables import ADDRESS_VARIABLE
from signedin.providers.gemini.trust import VARIABLE as TRUST_VARIABLE, check_trust, left_out, trust
from signedin.providers.shared.binary import locate
from signedin.providers.shared.environment import child_environment
from signedin.providers.shared.provider_options import ProviderOptions, Switch, Texts
from signedin.providers.shared.sandbox import SandboxedAgent
from signedin.safety.sandbox.confinement import OwnFolders
from signedin.wire.inherited import not_of

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

_CONFIGURED = (
    *(".env", "GEMINI.md", "settings.json", "trustedFolders.json"),
    *("agents", "commands", "extensions", "policies", "skills"),
)
"""What it runs and obeys, in the folder that it also stores its state in."""

ApprovalMode: TypeAlias = Literal["default", "auto_edit", "yolo", "plan"]
_MODES = Meta(description=f"be one of {', '.join(get_args(ApprovalMode))}")


class GeminiKeys(ProviderOptions, frozen=True, kw_only=True):
    """The keys of ``provider_options``, the same for both transports.

    Attributes:
        approval_mode: ``default``, ``auto_edit``, ``yolo`` or ``plan``, instead of what
            ``permissions`` says; over ACP ``auto_edit`` and ``yolo`` need ``trust_project=True``.
        extra_argv: More arguments of the command line; no secrets. What Gemini CLI does not know is
            an `InvalidOptionError`.
        include_directories: More folders of the workspace.
        sandbox: Whether tools run in Gemini CLI's sandbox.
        yolo: The same as ``approval_mode="yolo"``, which takes precedence.
    """

    approval_mode: Annotated[ApprovalMode, _MODES] | None = None
    extra_argv: Texts = ()
    include_directories: Texts = ()
    sandbox: Switch = False
    yolo: Switch = False

    @property
    def mode(self) -> ApprovalMode | None:
        """The approval mode that was named, ``None`` without one."""
        return self.approval_mode or ("yolo" if self.yolo else None)

    @property
    def arguments(self) -> list[str]:
        """The arguments that both transports take."""
        folders = [
            part
            for folder in self.include_directories
            for part in ("--include-directories", folder)
        ]
        return [*(["--sandbox"] if self.sandbox else []), *folders, *self.extra_argv]


def sandboxed(config: ProviderConfig, options: TurnOptions, keys: GeminiKeys) -> SandboxedAgent:
    """Returns what the sandbox of Gemini needs to know, unless it is to use its own."""
    folder = find_folder(config, options.env)
    own = OwnFolders(
        written=(str(folder),),
        spared=tuple(str(folder / name) for name in _CONFIGURED),
        read=("~/.config/gcloud",),
    )
    return SandboxedAgent(
        name="gemini",
        own=None if keys.sandbox else own,
        more=[str(options.cwd / folder) for folder in keys.include_directories],
        acts_unasked=keys.mode in {"auto_edit", "yolo"},
    )


TESTED = ("0.61", "0.61")
"""The oldest and the newest version that signedin is tested with."""


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
    return left_out(options) + findings(start_with(config, options, home_changes(config)))


def start(config: ProviderConfig, options: TurnOptions) -> GeminiStart:
    """Returns how to start Gemini, and creates its isolated home.

    Raises:
        PermissionDeniedError: It would follow what an untrusted project configures.
        AuthRequiredError: Not signed in.
        BillingError: It would be billed in another way than the caller chose.
    """
    check_trust(options, headless=config.transport != ACP)
    begun = start_with(config, options, home_changes(config))
    if config.billing is not None:
        assure_billing(interpret(NOBODY, begun), config.billing)
    check_signed_in(begun)
    return begun


def start_with(
    config: ProviderConfig, options: TurnOptions, changes: Mapping[str, str | None]
) -> GeminiStart:
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
        **trust(options),
        **changes,
        **not_of(options.cwd),
        **options.env,
    }
    env = child_environment("gemini", config.env_policy, given)
    start = without_project(
        GeminiStart(
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
        return chosen(options.model)
    named = {**os.environ, **options.env}.get(MODEL_VARIABLE)
    return None if named else DEFAULT_MODEL


def read_keys(options: TurnOptions) -> GeminiKeys:
    """Returns the ``provider_options`` of a turn.

    Raises:
        UnsupportedOptionError: Gemini does not support a keyword.
        InvalidOptionError: A provider option cannot be used.
    """
    if chosen(options.effort) is not None:
        raise UnsupportedOptionError(
            "gemini", "effort", "its models choose their effort themselves"
        )
    return GeminiKeys.read("gemini", options.provider_options)
