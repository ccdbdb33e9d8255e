"""The providers of one client, in the order in which they are preferred."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from signedin.model.capabilities import Capabilities
from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig, ProviderSpec


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One of the providers.

    Attributes:
        spec: What is known about it.
        config: How it is driven, and with which account.
        options_of: Lays its own keywords over the options of a turn.
    """

    spec: ProviderSpec
    config: ProviderConfig
    options_of: Callable[[TurnOptions], TurnOptions]

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.spec.name

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self.spec.transports[self.config.transport]

    @property
    def plan(self) -> str:
        """Distinguishes what pays for it from the plans of others, in all processes."""
        config = self.config
        source = None if config.auth_source == "auto" else config.auth_source
        parts = (self.name, *config.command[:1], source, config.account, config.billing)
        return " ".join(part for part in parts if part)


def check_vendors(members: Sequence[Member]) -> None:
    """Refuses several accounts of one vendor: using one after the other evades its limits.

    Raises:
        InvalidOptionError: There are.
    """
    seen: dict[str, str] = {}
    for member in members:
        vendor = member.spec.vendor or member.name
        if vendor in seen:
            raise InvalidOptionError(
                f"{seen[vendor]} and {member.name} use accounts of one vendor; a fallback is "
                "another vendor's, so give one of the two"
            )
        seen[vendor] = member.name
