"""What identifies this machine, and this program on it, when a user signs in again.

With *Sign in with ChatGPT* a program is named by the user the first time they sign in, and gets a
client id of its own for that account, which stays valid after signing out.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import msgspec

from signedin.accounts.homes import isolated_home
from signedin.accounts.store import CredentialStore

_RECORD = "agent-host"


class Client(msgspec.Struct, frozen=True):
    """The registration of this program in one account.

    Attributes:
        client_id: The id it was given.
        subject: The owner of the account.
    """

    client_id: str
    subject: str


class MachineRecord(msgspec.Struct, frozen=True):
    """This machine, and the program's registrations by login."""

    host_id: str
    clients: Mapping[str, Client] = {}


class Registrations:
    """The registrations of one login.

    Args:
        account: Name of the login.
    """

    def __init__(self, account: str | None) -> None:
        self._login = account or ""
        self._store = CredentialStore(MachineRecord, isolated_home("chatgpt"))

    async def host_id(self) -> str:
        """Returns the id of this machine, created on first use."""
        async with self._store.locked(_RECORD) as record:
            machine = await record.read()
            if machine is None:
                machine = MachineRecord(f"urn:uuid:{uuid.uuid4()}")
                await record.write(machine)
            return machine.host_id

    async def client(self) -> Client | None:
        """Returns the registration of the login, if there is one."""
        machine = await self._store.read(_RECORD)
        return machine.clients.get(self._login) if machine else None

    async def remember(self, client: Client) -> None:
        """Stores a registration for the next sign-in."""
        await self._change({self._login: client})

    async def forget(self) -> None:
        """Makes the next sign-in register again."""
        await self._change({})

    async def _change(self, client: Mapping[str, Client]) -> None:
        async with self._store.locked(_RECORD) as record:
            machine = await record.read()
            if machine is not None:
                others = {k: c for k, c in machine.clients.items() if k != self._login}
                await record.write(MachineRecord(machine.host_id, {**others, **client}))
