"""A sign-in server on 127.0.0.1 in the place of OpenAI's: OAuth, device codes, account, limits."""

import secrets
import time
from collections.abc import Mapping
from typing import Self, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from msgspec import Struct

from signedin.loopback.agent_sign_in import AgentSignIn
from signedin.loopback.grants import GrantError, Grants, IssuedTokens, LoopbackAccount
from signedin.loopback.server import HttpServer
from signedin.model.extras import from_extra
from signedin.wire.http import HttpRequest, HttpResponse

_SECRET_FIELDS = frozenset(
    {
        "code",
        "code_challenge",
        "code_verifier",
        "device_auth_id",
        "refresh_token",
        "nonce",
        "state",
        "subject_token",
        "token",
        "user_code",
    }
)
_AUTHORIZE = ("/oauth/authorize", "/api/accounts/authorize")
_WORKSPACE = "https://127.0.0.1:9"
"""Codex insists on an https origin for a workspace, but asks nothing there when the model provider
has an address of its own (seen with 0.163 and 0.169). Nothing listens on the discard port."""

_Json: TypeAlias = Mapping[str, object]


class IssuerRequest(Struct, frozen=True):
    """One request that reached the issuer.

    Attributes:
        method: The HTTP method.
        path: Below the issuer's address, without its query.
        fields: The query or the body, secrets masked.
    """

    method: str
    path: str
    fields: Mapping[str, object]


class LoopbackIssuer:
    """Signs anybody in as one account, from `start` to `close` or as a context manager.

    It does what an issuer must: it checks PKCE and the redirect address, and gives codes and
    single-use refresh tokens. What a person would do in a browser is done with `visit`,
    `refuse` and `approve_device`.

    Args:
        account: Who signs in.
        lifetime: Seconds for which an access token is valid.
        port: The port to bind; 0 for any free one.

    Attributes:
        account: Who signs in.
        failing: Whether the token endpoint answers with a server error.
        agents: Signs programs in that register themselves (*Sign in with ChatGPT*).
    """

    def __init__(
        self, account: LoopbackAccount | None = None, *, lifetime: int = 3600, port: int = 0
    ) -> None:
        self.account = account or LoopbackAccount()
        self.failing = False
        self._grants = Grants(self.account, lifetime)
        self.agents = AgentSignIn(self.account, self._grants)
        self._server = HttpServer(self._handle, port=port)
        self._token = secrets.token_urlsafe(12)
        self._requests: list[IssuerRequest] = []

    def start(self) -> Self:
        """Start to serve.

        Raises:
            OSError: The port cannot be bound.
        """
        self._server.start()
        return self

    def close(self) -> None:
        """Drop every connection and free the port."""
        self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The issuer's address; its path is a token, without which nothing is answered.

        Raises:
            RuntimeError: The issuer does not serve.
        """
        return f"http://127.0.0.1:{self._server.port}/{self._token}"

    @property
    def requests(self) -> tuple[IssuerRequest, ...]:
        """Every request so far, in the order they arrived."""
        return tuple(self._requests)

    @property
    def codex_env(self) -> dict[str, str | None]:
        """Variables that make a Codex process sign in here."""
        return {
            "CODEX_APP_SERVER_LOGIN_ISSUER": self.url,
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/token",
            "CODEX_REVOKE_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/revoke",
        }

    @property
    def codex_config(self) -> dict[str, object]:
        """Configuration that goes with `codex_env`, on top of a `LoopbackModel`'s.

        Requests to the model then carry the login's token.
        """
        return {
            "chatgpt_base_url": f"{self.url}/backend-api/",
            "cli_auth_credentials_store": "file",
            "features.apps": False,
            "features.enable_request_compression": False,
            "model_providers.loopback.requires_openai_auth": True,
        }

    def visit(self, auth_url: str) -> int:
        """Do what a browser does in which a user signs in; returns the last page's status."""
        return _browse(auth_url)

    def refuse(self, auth_url: str, description: str) -> int:
        """Do what a browser does in which a user refuses; see `visit`."""
        query = dict(parse_qsl(urlsplit(auth_url).query))
        refusal = {
            "error": "access_denied",
            "error_description": description,
            "state": query["state"],
        }
        return _browse(f"{query['redirect_uri']}?{urlencode(refusal)}")

    def approve_device(self, user_code: str) -> None:
        """Do what a person does who types the code of a device.

        Raises:
            LookupError: No device waits with this code.
        """
        self._grants.approve_device(user_code)

    def issue_tokens(self) -> IssuedTokens:
        """Give tokens as if a user had just signed in."""
        return self._grants.issue()

    def revoke_all(self) -> None:
        """Make every token worthless, as an account's owner can."""
        self._grants.revoke_all()

    def is_good(self, access_token: str) -> bool:
        """Whether an access token may be used."""
        return self._grants.is_good(access_token)

    async def _handle(self, http: HttpRequest, response: HttpResponse) -> None:
        target = urlsplit(http.target)
        prefix = f"/{self._token}"
        known = target.path.startswith(f"{prefix}/")
        path = target.path.removeprefix(prefix) if known else ""
        fields = _fields(http, target.query)
        self._requests.append(IssuerRequest(http.method, path, _masked(fields)))
        try:
            if http.method == "GET" and path in _AUTHORIZE:
                await response.send(302, {"Location": self._authorize(path, fields)}, b"")
            else:
                await _send(response, 200, self._answer(http, path, fields))
        except GrantError as error:
            await _send(response, error.status, {"error": {"code": error.code}})

    def _authorize(self, path: str, query: Mapping[str, str]) -> str:
        """Where the browser is sent, now that its user has signed in."""
        if path == "/oauth/authorize":
            given = {"code": self._grants.authorize(query)}
        else:
            given = self.agents.authorize(query)
        answer = urlencode({**given, "state": query.get("state", "")})
        return f"{query['redirect_uri']}?{answer}"

    def _answer(self, http: HttpRequest, path: str, fields: Mapping[str, str]) -> _Json:
        match http.method, path:
            case "POST", "/oauth/token":
                self._check_working()
                return self._grants.answer(fields)
            case "POST", "/api/accounts/oauth/token":
                self._check_working()
                return self.agents.answer(fields, self.url)
            case "GET", "/.well-known/jwks.json":
                return self.agents.keys()
            case "POST", "/oauth/revoke" | "/api/accounts/oauth/revoke":
                self._grants.revoke(fields.get("token", ""))
                return {}
            case "POST", "/api/accounts/deviceauth/usercode":
                return self._grants.start_device()
            case "POST", "/api/accounts/deviceauth/token":
                return self._grants.poll_device(fields, f"{self.url}/deviceauth/callback")
            case "GET", "/backend-api/wham/accounts/check":
                return self._accounts(http)
            case "GET", "/backend-api/wham/usage":
                return self._usage(http)
            case "GET", "/backend-api/wham/config/bundle":
                return {}  # asked with a business plan; without an answer no thread starts
            case _:
                raise GrantError(404, "not_found")

    def _check_working(self) -> None:
        if self.failing:
            raise GrantError(500, "server_error")

    def _accounts(self, http: HttpRequest) -> _Json:
        self._check_bearer(http)
        account = self.account
        entry = {
            "id": account.account_id,
            "workspace_backend_origin": _WORKSPACE,
            "account_routing_override": "NO_CONSTRAINT",
            "plan_type": account.plan,
            "structure": "personal",
            "account_user_id": account.user_id,
            "account_user_role": "standard-user",
            "is_zdr": False,
            "is_openai_internal": False,
        }
        return {
            "accounts": [entry],
            "default_account_id": account.account_id,
            "account_ordering": [account.account_id],
        }

    def _usage(self, http: HttpRequest) -> _Json:
        self._check_bearer(http)
        account = self.account
        return {
            "user_id": account.user_id,
            "account_id": account.account_id,
            "email": account.email,
            "plan_type": account.plan,
            "rate_limit": {
                "allowed": True,
                "limit_reached": False,
                "primary_window": _window(account.used_percent, 5 * 3600),
                "secondary_window": _window(account.used_percent_of_week, 7 * 24 * 3600),
            },
            "credits": {"has_credits": True, "unlimited": False, "balance": "9.5"},
        }

    def _check_bearer(self, http: HttpRequest) -> None:
        scheme, _, token = http.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._grants.is_good(token):
            raise GrantError(401, "token_invalidated")


def _window(used_percent: int, seconds: int) -> _Json:
    return {
        "used_percent": used_percent,
        "limit_window_seconds": seconds,
        "reset_after_seconds": 600,
        "reset_at": int(time.time()) + 600,
    }


def _fields(http: HttpRequest, query: str) -> dict[str, str]:
    """What a request says, in its query, as a form or as JSON."""
    if http.method == "GET":
        return dict(parse_qsl(query))
    if "json" in http.headers.get("content-type", ""):
        return msgspec.json.decode(http.body, type=dict[str, str])
    return dict(parse_qsl(http.body.decode()))


def _masked(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {name: "***" if name in _SECRET_FIELDS else text for name, text in fields.items()}


async def _send(response: HttpResponse, status: int, body: _Json) -> None:
    await response.send(status, {"Content-Type": "application/json"}, msgspec.json.encode(body))


def _browse(url: str) -> int:
    with from_extra("loopback", "the browser of the loopback issuer"):
        import httpx2  # noqa: PLC0415 - only who plays the browser needs it

    with httpx2.Client(follow_redirects=True, trust_env=False, timeout=30) as browser:
        return browser.get(url).status_code
