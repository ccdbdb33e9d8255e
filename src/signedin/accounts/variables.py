"""What a vendor's environment variables mean for who pays and who learns a secret."""

from __future__ import annotations

import msgspec

CHATGPT_LOOPBACK = "SIGNEDIN_CHATGPT_LOOPBACK"
"""Address of a scripted model that ChatGPT is replaced by, without any login."""


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    """The variables of one vendor, by name; each is in one place only.

    Attributes:
        keys: Hold a key that takes precedence over a login.
        headers: Hold HTTP headers, which may be a key that takes precedence over a login.
        tokens: Hold a login themselves, or lead to one.
        secrets: Hold other secrets of the vendor's.
        pointers: Lead to a key: a file, a descriptor, a profile.
        switches: Choose a payer other than the login.
        addresses: Say where requests go, and a login's token with them.
    """

    keys: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        """Those whose values are secrets."""
        return self.keys + self.tokens + self.secrets

    @property
    def credentials(self) -> tuple[str, ...]:
        """Those that no other vendor's agent gets."""
        return self.values + self.headers + self.pointers

    @property
    def before_login(self) -> tuple[str, ...]:
        """Those with which somebody other than the login would pay."""
        return self.keys + self.headers + self.pointers + self.switches
