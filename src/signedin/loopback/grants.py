"""What a sign-in server remembers: who may have which token, and which are spent.

The rules are those of OpenAI's issuer as codex 0.163 and 0.169 use it: authorization codes and
refresh tokens are single-use, a code belongs to its redirect address and PKCE challenge, and a
device code waits until a person has approved it.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

CLAIMS = "https://api.openai.com/auth"
"""The claim of a token that says whose account it is for."""

ACCOUNT_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name


class LoopbackAccount(Struct, frozen=True, kw_only=True):
    """Who signs in.

    Attributes:
        email: The address shown to the user.
        account_id: The id that requests name.
        user_id: The id of the person.
        plan: What is paid for, such as ``plus`` or ``pro``.
        used_percent: How much of the plan's five hours is used up.
        used_percent_of_week: How much of its week.
    """

    email: str = "user@example.com"
    account_id: str = "acct-loopback"
    user_id: str = "user-loopback"
    plan: str = "pro"
    used_percent: int = 12
    used_percent_of_week: int = 34


class GrantError(Exception):
    """A request for tokens that is refused.

    Args:
        status: The HTTP status.
        code: The machine-readable reason.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class IssuedTokens(Struct, frozen=True):
    """What a sign-in gives."""

    id_token: str
    access_token: str
    refresh_token: str
    expires_in: int

    def __repr__(self) -> str:
        return "Tokens(***)"


class _Code(Struct, frozen=True):
    redirect_uri: str
    challenge: str


class _Device(Struct):
    user_code: str
    approved: bool = False


class Grants:
    """The tokens and codes of one issuer.

    Args:
        account: Whose they are.
        lifetime: Seconds for which an access token is valid.
    """

    def __init__(self, account: LoopbackAccount, lifetime: int) -> None:
        self._account = account
        self._lifetime = lifetime
        self._codes: dict[str, _Code] = {}
        self._devices: dict[str, _Device] = {}
        self._access: dict[str, float] = {}
        self._refresh: dict[str, str | None] = {}

    def authorize(self, query: Mapping[str, str]) -> str:
        """Return a code for an authorization request.

        Raises:
            GrantError: It has no PKCE challenge, or would send the code off this machine.
        """
        redirect_uri = query.get("redirect_uri", "")
        if urlsplit(redirect_uri).hostname not in ("127.0.0.1", "localhost"):
            raise GrantError(400, "invalid_redirect_uri")
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            raise GrantError(400, "invalid_request")
        return self._new_code(redirect_uri, query["code_challenge"])

    def answer(self, form: Mapping[str, str]) -> Mapping[str, object]:
        """Answer a request to the token endpoint.

        Raises:
            GrantError: It is refused.
        """
        match form.get("grant_type"):
            case "authorization_code":
                return _plain(self._redeem(form))
            case "refresh_token":
                return _plain(self._renew(form.get("refresh_token", "")))
            case kind if kind == ACCOUNT_TOKEN_EXCHANGE:
                return {"access_token": f"sk-loopback-{secrets.token_hex(8)}"}
            case _:
                raise GrantError(400, "unsupported_grant_type")

    def issue(self) -> IssuedTokens:
        """Give new tokens."""
        account = self._account
        owner = {
            "chatgpt_account_id": account.account_id,
            "chatgpt_user_id": account.user_id,
            "user_id": account.user_id,
            "chatgpt_plan_type": account.plan,
        }
        now = int(time.time())
        claims = {
            "sub": f"auth0|{account.user_id}",
            "iat": now,
            "exp": now + self._lifetime,
            "email": account.email,
            "jti": secrets.token_hex(8),
            CLAIMS: owner,
        }
        tokens = IssuedTokens(
            id_token=_unsigned_jwt({**claims, "aud": ["loopback"]}),
            access_token=_unsigned_jwt(claims),
            refresh_token=f"rt_{secrets.token_urlsafe(24)}",
            expires_in=self._lifetime,
        )
        self._access[tokens.access_token] = now + self._lifetime
        self._refresh[tokens.refresh_token] = None
        return tokens

    def revoke(self, token: str) -> None:
        """Make a token worthless. Unknown ones are not an error."""
        self._access.pop(token, None)
        if token in self._refresh:
            self._refresh[token] = "refresh_token_invalidated"

    def revoke_all(self) -> None:
        """Make every token worthless, as an account's owner can."""
        self._access.clear()
        self._refresh = dict.fromkeys(self._refresh, "refresh_token_invalidated")

    def is_good(self, access_token: str) -> bool:
        """Whether an access token may be used."""
        return self._access.get(access_token, 0) > time.time()

    def start_device(self) -> Mapping[str, str]:
        """Answer a device that wants to sign in; its user has to type the code."""
        device_id = f"device-{secrets.token_hex(8)}"
        user_code = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}".upper()
        self._devices[device_id] = _Device(user_code)
        # The interval is a string on the real wire, too.
        return {"device_auth_id": device_id, "user_code": user_code, "interval": "1"}

    def approve_device(self, user_code: str) -> None:
        """Do what a person does who types the code.

        Raises:
            LookupError: No device waits with this code.
        """
        for device in self._devices.values():
            if device.user_code == user_code:
                device.approved = True
                return
        raise LookupError(f"no device sign-in waits with the code {user_code!r}")

    def poll_device(self, fields: Mapping[str, str], redirect_uri: str) -> Mapping[str, str]:
        """Return the code for a device, with the PKCE pair that the issuer made for it.

        Args:
            fields: What the device asks with: its id and its code.
            redirect_uri: The address its code belongs to.

        Raises:
            GrantError: Nobody has approved it yet, or it is unknown.
        """
        device_id = fields.get("device_auth_id", "")
        device = self._devices.get(device_id)
        if device is None or device.user_code != fields.get("user_code"):
            raise GrantError(404, "device_code_not_found")
        if not device.approved:
            raise GrantError(403, "authorization_pending")
        del self._devices[device_id]
        verifier = secrets.token_urlsafe(48)
        challenge = _challenge_of(verifier)
        return {
            "authorization_code": self._new_code(redirect_uri, challenge),
            "code_challenge": challenge,
            "code_verifier": verifier,
        }

    def _new_code(self, redirect_uri: str, challenge: str) -> str:
        code = f"code-{secrets.token_urlsafe(12)}"
        self._codes[code] = _Code(redirect_uri, challenge)
        return code

    def _redeem(self, form: Mapping[str, str]) -> IssuedTokens:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.redirect_uri != form.get("redirect_uri"):
            raise GrantError(400, "invalid_grant")
        if not hmac.compare_digest(code.challenge, _challenge_of(form.get("code_verifier", ""))):
            raise GrantError(400, "invalid_grant")
        return self.issue()

    def _renew(self, refresh_token: str) -> IssuedTokens:
        spent = self._refresh.get(refresh_token, "refresh_token_invalidated")
        if spent:
            raise GrantError(401, spent)
        self._refresh[refresh_token] = "refresh_token_reused"
        return self.issue()


def _unsigned_jwt(claims: Mapping[str, object]) -> str:
    head = {"alg": "none", "typ": "JWT"}
    parts = (msgspec.json.encode(head), msgspec.json.encode(claims), b"loopback")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _plain(tokens: IssuedTokens) -> Mapping[str, object]:
    return {**msgspec.to_builtins(tokens), "token_type": "Bearer"}
