"""The address a browser is redirected to, with the answer to a sign-in in its query."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qsl, urlsplit

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.redact import MASK

_LONGEST_REASON = 300


class NotOursError(InvalidOptionError):
    """An address that does not belong to the pending sign-in."""


class Redirect(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser brings back.

    Attributes:
        code: The single-use authorization code.
        client_id: Who may use it, if the issuer registered this program.
        issuer: Who answered, if given (RFC 9207).
        error: The kind of refusal, if there is no code.
        refusal: The refusal as a message.
    """

    code: str = ""
    client_id: str | None = None
    issuer: str | None = None
    error: str | None = None
    refusal: str = ""

    def __repr__(self) -> str:
        return f"Redirect({MASK}, error={self.error!r})"


def read_redirect(address: str, state: str) -> Redirect:
    """Reads an address, or its path and query only.

    The state is compared first: a client that does not know it, such as another page in the same
    browser, can neither end a sign-in nor affect it.

    Raises:
        NotOursError: It does not have the state, or neither a code nor a refusal.
    """
    try:
        pairs = parse_qsl(urlsplit(address.strip()).query, max_num_fields=32)
    except ValueError:
        raise NotOursError(_NOT_OURS) from None
    query = dict(pairs)
    given = query.get("state", "")
    if len(query) < len(pairs) or not secrets.compare_digest(given.encode(), state.encode()):
        raise NotOursError(_NOT_OURS)
    if "error" in query:
        reason = _reason(query["error"], query.get("error_description", ""))
        return Redirect(issuer=query.get("iss"), error=query["error"], refusal=reason)
    if not query.get("code"):
        raise NotOursError(_NOT_OURS)
    return Redirect(
        code=query["code"], client_id=query.get("client_id") or None, issuer=query.get("iss")
    )


def _reason(error: str, description: str) -> str:
    if error == "access_denied" and "missing_codex_entitlement" in description:
        return "Codex is not enabled for this workspace; ask its administrator"
    text = f"{error}: {description}" if description else error
    # It goes to a terminal, where other characters could be commands.
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_REASON]


_NOT_OURS = (
    "this address does not belong to the pending sign-in; paste the complete address, "
    "beginning with http://127.0.0.1"
)
