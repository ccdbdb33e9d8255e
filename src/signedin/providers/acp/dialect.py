"""What differs between ACP agents, for the provider that drives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from signedin.model.errors import ErrorKind
from signedin.model.options import TurnOptions
from signedin.model.redact import redact
from signedin.model.results import PastTurn, SessionPage
from signedin.providers.acp.process import ACPAgent, ClientFeatures
from signedin.providers.base import Installation, SessionQuery

NO_SHARED_FOLDER = dict.fromkeys(("TMPDIR", "TMP", "TEMP"))
"""Taken out of an agent's environment: agents leave what was said in files of the temporary folder,
so each process gets one that goes away with it. A caller's ``env`` goes before.
"""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is started; sessions with equal ones share a process.

    Attributes:
        argv: The program and its arguments.
        env: The whole environment.
        features: What the agent may have done by its client.
        meta: What is said in ``_meta`` with every session that is opened.
        servers: Stands for the tools and MCP servers of its sessions, if those of one session are
            seen by all of the process.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    features: ClientFeatures = ClientFeatures()
    meta: Mapping[str, object] = {}
    servers: str = ""

    def __repr__(self) -> str:
        """Leaves out the environment and the servers, which may hold secrets."""
        return f"Launch({redact(' '.join(self.argv))!r})"


class SessionStore(Protocol):
    """Reads what an agent has stored, where it does not tell it over the protocol."""

    def list(self, query: SessionQuery) -> SessionPage:
        """Lists conversations, the newest first."""
        ...

    def history(self, session_id: str) -> Sequence[PastTurn]:
        """Returns the turns of a conversation, the oldest first."""
        ...

    def delete(self, session_id: str) -> None:
        """Deletes a conversation for good."""
        ...


class Dialect(Protocol):
    """One agent, or one kind of agents."""

    @property
    def name(self) -> str:
        """Name of the provider."""
        ...

    @property
    def install(self) -> str:
        """The command that installs the agent."""
        ...

    @property
    def login(self) -> str:
        """The command that signs in."""
        ...

    @property
    def late_replay(self) -> bool:
        """Whether the agent answers a load before it has told the whole history again."""
        ...

    @property
    def stop_failures(self) -> Mapping[str, ErrorKind]:
        """Stop reasons that are failures, as the agent uses the words."""
        ...

    @property
    def fixed_options(self) -> frozenset[str]:
        """Names in ``provider_options`` that only count when the session begins."""
        ...

    @property
    def keeps_folder(self) -> bool:
        """Whether a stored session goes on only in the folder it began in."""
        ...

    @property
    def free_models(self) -> str:
        """How the names of models begin that need no account, empty if there are none."""
        ...

    @property
    def scratch(self) -> Mapping[str, str]:
        """Variables with which the agent stores no sessions, empty if there is no such way."""
        ...

    def installation(self) -> Installation:
        """Looks for the program."""
        ...

    def check(self, options: TurnOptions) -> None:
        """Refuses what the agent cannot honour; done for every turn.

        Raises:
            UnsupportedOptionError: A keyword that it has nothing for.
            InvalidOptionError: A provider option that is none of its own, or a bad value.
        """
        ...

    def launch(self, options: TurnOptions) -> Launch:
        """Says how to start the agent.

        Raises:
            ProviderNotInstalledError: It is not there.
            AuthRequiredError: Nobody is signed in, as far as that can be told beforehand.
            UnsupportedOptionError: It cannot honour an option.
            PermissionDeniedError: It would follow what an untrusted project configures.
        """
        ...

    def store(self, options: TurnOptions) -> SessionStore | None:
        """Returns what reads the agent's store, ``None`` if the agent itself is asked."""
        ...

    def notices(self, options: TurnOptions) -> tuple[str, ...]:
        """Returns what the user should know before a session begins."""
        ...

    def model(self, options: TurnOptions) -> str | None:
        """Returns the model to ask for, ``None`` for the agent's own choice."""
        ...

    def mode(self, options: TurnOptions) -> str | None:
        """Returns the mode to work in; ``None`` leaves the agent's own.

        It is one in which the agent asks before it acts, unless the caller names another.
        """
        ...

    def started(self, launch: Launch, agent: ACPAgent) -> None:
        """Takes in that the agent runs."""
        ...

    def before_load(self, session_id: str, launch: Launch, cwd: Path) -> None:
        """Makes sure that a stored session can be loaded without harm to it.

        Raises:
            SignedinError: It cannot.
        """
        ...
