"""*Sign in with ChatGPT* for programs that run on their user's machine, on top of an issuer.

The rules are those of OpenAI's documentation of it: the first sign-in gives the program a client
id, to which codes and refresh tokens belong; ID tokens are signed; a refresh before its time is
refused and spends the token.
"""

import secrets
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from signedin.loopback.grants import GrantError, Grants, LoopbackAccount
from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DYNAMIC_CLIENT = "dynamic_agent_client"
KEY_ID = "loopback-key"
_PART = "the token signing of the loopback issuer"


class _Asked(Struct, frozen=True):
    client_id: str
    nonce: str


class AgentSignIn:
    """Answers the requests of *Sign in with ChatGPT*.

    Args:
        account: Who signs in.
        grants: Stores codes and tokens.

    Attributes:
        scope: What is granted.
        earliest_refresh: Seconds after which a refresh is allowed; ``None`` does not say.
        clients: Names by the client ids they were given.
    """

    def __init__(self, account: LoopbackAccount, grants: Grants) -> None:
        self.scope = "openid profile email offline_access resource.invoke chatgpt.tokens.use.direct"
        self.earliest_refresh: float | None = None
        self.clients: dict[str, str] = {}
        self._account = account
        self._grants = grants
        self._asked: dict[str, _Asked] = {}
        self._owners: dict[str, str] = {}
        self._earliest: dict[str, float] = {}

    def authorize(self, query: Mapping[str, str]) -> dict[str, str]:
        """Returns what the browser brings back, besides the state.

        Raises:
            GrantError: The request is incomplete, or of a client that is not known.
        """
        if not query.get("ext_agent_host_id") or not query.get("nonce"):
            raise GrantError(400, "invalid_request")
        client_id = query.get("client_id", "")
        if client_id == DYNAMIC_CLIENT and query.get("agent_name_hint"):
            client_id = f"oaiapp_{secrets.token_hex(8)}"
            self.clients[client_id] = query["agent_name_hint"]
        if client_id not in self.clients:
            raise GrantError(400, "invalid_client")
        code = self._grants.authorize(query)
        self._asked[code] = _Asked(client_id, query["nonce"])
        return {"code": code, "client_id": client_id}

    def answer(self, form: Mapping[str, str], issuer: str) -> Mapping[str, object]:
        """Answers a request to the token endpoint.

        Raises:
            GrantError: It is refused.
        """
        client_id = form.get("client_id", "")
        asked = self._asked.pop(form.get("code", ""), None)
        refresh_token = form.get("refresh_token", "")
        owner = asked.client_id if asked else self._owners.get(refresh_token)
        if owner is None or owner != client_id:
            raise GrantError(401, "invalid_client")
        if time.time() < self._earliest.get(refresh_token, 0.0):
            self._grants.revoke(refresh_token)
            raise GrantError(400, "invalid_grant")
        given = dict(self._grants.answer(form))
        given["scope"] = self.scope
        self._owners[str(given["refresh_token"])] = client_id
        if self.earliest_refresh is not None:
            earliest = time.time() + self.earliest_refresh
            self._earliest[str(given["refresh_token"])] = earliest
            given["earliest_refresh_at"] = earliest
        given["id_token"] = self._id_token(issuer, client_id, asked.nonce if asked else "")
        return given

    def keys(self) -> Mapping[str, object]:
        """The public half of what ID tokens are signed with."""
        with from_extra("loopback", _PART):
            from jwt.algorithms import RSAAlgorithm  # noqa: PLC0415 - 60 ms, seldom needed

        public = RSAAlgorithm.to_jwk(_signing_key().public_key(), as_dict=True)
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    def _id_token(self, issuer: str, client_id: str, nonce: str) -> str:
        with from_extra("loopback", _PART):
            import jwt  # noqa: PLC0415 - see keys

        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": client_id,
            "sub": f"auth0|{self._account.user_id}",
            "email": self._account.email,
            "iat": now,
            "exp": now + 3600,
        }
        if nonce:
            claims["nonce"] = nonce
        return jwt.encode(claims, _signing_key(), algorithm="RS256", headers={"kid": KEY_ID})


@cache
def _signing_key() -> "RSAPrivateKey":
    """One for all issuers of a process: making it takes a tenth of a second."""
    with from_extra("loopback", _PART):
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see keys

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
