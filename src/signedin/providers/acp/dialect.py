"""What differs between ACP agents, for the provider that drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from signedin.model.errors import UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.model.redact import redact
from signedin.model.results import PastTurn, SessionPage
from signedin.providers.acp.catalogue import AgentTraits
from signedin.providers.acp.process import ACPAgent, ClientFeatures
from signedin.providers.base import Installation, SessionQuery
from signedin.providers.shared.sandbox import SandboxedAgent
from signedin.safety.sandbox.confinement import Confinement

NO_SHARED_FOLDER = dict.fromkeys(("TMPDIR", "TMP", "TEMP"))
"""Removed from an agent's environment: agents leave conversations in the temporary folder, so each
process gets one that is removed with it. A caller's ``env`` takes precedence.
"""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is started; sessions with equal ones share a process.

    Attributes:
        argv: The program and its arguments.
        env: The whole environment.
        features: What the agent may ask its client to do.
        meta: ``_meta`` of every session that is opened.
        servers: Stands for the tools and MCP servers of its sessions, if those of one session are
            seen by all of the process.
        confinement: What the system lets it do, ``None`` without a sandbox.
        bridged: Whether it would ask a proxy for tools on this machine, so that a program of its
            own passes its calls on.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    features: ClientFeatures = ClientFeatures()
    meta: Mapping[str, object] = {}
    servers: str = ""
    confinement: Confinement | None = None
    bridged: bool = False

    def __repr__(self) -> str:
        """Leaves out the environment and the servers, which may hold secrets."""
        return f"Launch({redact(' '.join(self.argv))!r})"


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn sets in its session; ``None`` leaves the agent's own choice.

    Attributes:
        model: The model to ask.
        effort: Its reasoning effort.
        mode: The mode to work in.
        config: Other settings by their ids.
    """

    model: str | None = None
    effort: str | None = None
    mode: str | None = None
    config: Mapping[str, object] = {}


def check_mode(name: str, options: TurnOptions, mode: str | None) -> None:
    """Refuses rules for an agent in a mode that the caller names, in which it may not ask.

    Raises:
        UnsupportedOptionError: Both were given.
    """
    if mode is not None and options.policy is not None:
        hint = f"in the mode {mode!r} of provider_options it may act without asking"
        raise UnsupportedOptionError(name, "policy", hint)


class SessionStore(Protocol):
    """Reads what an agent has stored and does not report over the protocol."""

    def list(self, query: SessionQuery) -> SessionPage:
        """Lists conversations, the newest first."""
        ...

    def history(self, session_id: str) -> Sequence[PastTurn]:
        """Returns the turns of a conversation, the oldest first."""
        ...

    def delete(self, session_id: str) -> None:
        """Deletes a conversation permanently."""
        ...


class Dialect(Protocol):
    """One agent, or one kind of agents."""

    @property
    def traits(self) -> AgentTraits:
        """What it does in its own way."""
        ...

    @property
    def name(self) -> str:
        """Name of the provider."""
        ...

    @property
    def tested(self) -> tuple[str, str] | None:
        """The versions it is tested with, if it is; see `ProviderSpec.tested`."""
        ...

    @property
    def login(self) -> str:
        """The command that signs in."""
        ...

    def installation(self) -> Installation:
        """Looks for the program."""
        ...

    def settings(self, options: TurnOptions) -> TurnSettings:
        """Returns what a turn sets in its session.

        Its mode is one in which the agent asks before it acts, unless the caller names another.

        Raises:
            UnsupportedOptionError: The agent does not support a keyword.
            InvalidOptionError: A provider option is unknown or has a bad value.
        """
        ...

    def launch(self, options: TurnOptions) -> Launch:
        """Returns how to start the agent.

        Raises:
            ProviderNotInstalledError: It is not installed.
            AuthRequiredError: Not signed in, as far as that is known beforehand.
            UnsupportedOptionError: It cannot honour an option.
            PermissionDeniedError: It would follow what an untrusted project configures.
        """
        ...

    def check_project(self, options: TurnOptions) -> None:
        """Makes sure that nothing is followed of a project that is not trusted.

        Raises:
            PermissionDeniedError: Something would be.
        """
        ...

    def sandboxed(self, options: TurnOptions) -> SandboxedAgent:
        """Returns what its sandbox needs to know."""
        ...

    def store(self, options: TurnOptions) -> SessionStore | None:
        """Returns what reads the agent's store, ``None`` if the agent itself is asked."""
        ...

    def notices(self, options: TurnOptions) -> tuple[str, ...]:
        """Returns what the user should know before a session begins."""
        ...

    def started(self, launch: Launch, agent: ACPAgent) -> None:
        """Called when the agent has started."""
        ...

    def before_load(self, session_id: str, launch: Launch, cwd: Path) -> None:
        """Makes a stored session loadable without damage.

        Raises:
            SignedinError: It cannot.
        """
        ...
