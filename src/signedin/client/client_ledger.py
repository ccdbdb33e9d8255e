"""Where a client writes what its turns have used: the ledger, found by name when a turn ends.

It stands above the client, as all jobs do, so it is not imported here; see decision 060.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Protocol, cast

from signedin.model.capabilities import Capabilities
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.base import ProviderConfig

_LEDGER = "signedin.jobs.ledger"
_VARIABLE = "SIGNEDIN_LEDGER"


class Ledger(Protocol):
    """Takes the turns of one client."""

    def add(self, recorder: TurnRecorder) -> None:
        """Takes a turn that has ended. Never fails, and does not wait for a disk."""
        ...

    async def aclose(self) -> None:
        """Waits until everything is written."""
        ...


class ClientLedger:
    """The ledger of one client, from its first turn; none if ``SIGNEDIN_LEDGER=off``.

    Args:
        config: What the client knows of its account.
        capabilities: What its provider reports.
    """

    def __init__(self, config: ProviderConfig, capabilities: Capabilities) -> None:
        self._config = config
        self._capabilities = capabilities
        self._opened: Ledger | None = None

    def add(self, recorder: TurnRecorder) -> None:
        """Takes a turn that has ended."""
        if self._opened is None:
            if os.environ.get(_VARIABLE) == "off":
                return
            opened = import_module(_LEDGER).Ledger(self._config, self._capabilities)
            self._opened = cast("Ledger", opened)
        self._opened.add(recorder)

    async def aclose(self) -> None:
        """Waits until everything is written."""
        if self._opened is not None:
            await self._opened.aclose()
