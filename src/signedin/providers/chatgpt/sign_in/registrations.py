"""What OpenAI has to recognise when somebody signs in again: this machine, and this program on it.

With *Sign in with ChatGPT* a program is named by the user the first time they sign in, and gets a
client id of its own for that account, which it keeps after signing out.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import msgspec

from signedin.accounts.homes import isolated_home
from signedin.accounts.store import CredentialStore

_RECORD = "agent-host"


class Client(msgspec.Struct, frozen=True):
    """What one account knows this program as.

    Attributes:
        client_id: The name it was given.
        subject: Whose account it is.
    """

    client_id: str
    subject: str


class AgentHost(msgspec.Struct, frozen=True):
    """This machine, and the program's names by the login they belong to."""

    host_id: str
    clients: Mapping[str, Client] = {}


class Registrations:
    """What is known of earlier sign-ins to one login.

    Args:
        account: Name of the login.
    """

    def __init__(self, account: str | None) -> None:
        self._login = account or ""
        self._store = CredentialStore(AgentHost, isolated_home("chatgpt"))

    async def host_id(self) -> str:
        """Returns the name of this machine, which it gets the first time."""
        async with self._store.locked(_RECORD) as record:
            host = await record.read()
            if host is None:
                host = AgentHost(f"urn:uuid:{uuid.uuid4()}")
                await record.write(host)
            return host.host_id

    async def client(self) -> Client | None:
        """Returns what the login knows this program as, if it does."""
        host = await self._store.read(_RECORD)
        return host.clients.get(self._login) if host else None

    async def remember(self, client: Client) -> None:
        """Keeps a name for the next sign-in."""
        await self._change({self._login: client})

    async def forget(self) -> None:
        """Has the next sign-in ask for a new name."""
        await self._change({})

    async def _change(self, client: Mapping[str, Client]) -> None:
        async with self._store.locked(_RECORD) as record:
            host = await record.read()
            if host is not None:
                others = {k: c for k, c in host.clients.items() if k != self._login}
                await record.write(AgentHost(host.host_id, {**others, **client}))
