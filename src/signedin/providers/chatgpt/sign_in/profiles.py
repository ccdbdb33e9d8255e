"""The two ways in: OpenAI's documented *Sign in with ChatGPT*, and the one the Codex CLI uses.

Sources: the addresses and parameters of `SIWC` are those of developers.openai.com/siwc
(token sharing for open-source apps), the ones of `CODEX` were captured from codex 0.169.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.providers.chatgpt.sign_in.hosts import check_trusted

ProfileName: TypeAlias = Literal["siwc", "codex"]

APP_NAME = "signedin"
"""The name of this program in requests to OpenAI."""


class DeviceCodes(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses for signing in with a code that is typed on any device.

    Attributes:
        code_url: Issues a code.
        token_url: Reports whether the user has typed it.
        page: Where the user types it.
        redirect_uri: The redirect address of the resulting authorization.
    """

    code_url: str
    token_url: str
    page: str
    redirect_uri: str


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """How an app becomes known to OpenAI while its user signs in, instead of beforehand.

    Attributes:
        app_name: The name shown to the user.
        jwks_url: The keys with which ID tokens are signed.
    """

    app_name: str
    jwks_url: str


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in which the ways to sign in differ; ``msgspec.structs.replace`` makes others.

    Attributes:
        name: ``siwc`` or ``codex``.
        issuer: Who signs ID tokens.
        authorize_url: Where the user signs in.
        token_url: Issues and refreshes tokens.
        revoke_url: Ends a login.
        device: For signing in with a code, if there is such a way.
        client_id: The OAuth client; with ``registration`` only the first time.
        registration: For an app that registers itself.
        scope: The requested scopes, separated by spaces.
        required_scope: What must be granted for requests to be answered.
        parameters: Further parameters of the authorization request.
        base_url: Where requests for models go, without a slash at the end.
        originator: The name of this program, for the header ``originator``.
        redirect_ports: Ports for the callback, tried in this order; 0 is any free one.
        refresh_margin: Seconds before its end when an access token is refreshed, unless the server
            sets the time.
    """

    name: ProfileName
    issuer: str
    authorize_url: str
    token_url: str
    revoke_url: str
    device: DeviceCodes | None = None
    client_id: str
    registration: Registration | None = None
    scope: str
    required_scope: str | None = None
    parameters: Mapping[str, str] = {}
    base_url: str
    originator: str = APP_NAME
    redirect_ports: tuple[int, ...]
    refresh_margin: float = 300.0

    def __post_init__(self) -> None:
        """Raises if a token would go to an untrusted host.

        Raises:
            InvalidOptionError: One of the addresses is not trusted.
        """
        for url in (self.authorize_url, self.token_url, self.revoke_url, self.base_url):
            check_trusted(url)
        if self.device:
            check_trusted(self.device.code_url)
            check_trusted(self.device.token_url)
        if self.registration:
            check_trusted(self.registration.jwks_url)


SIWC = Profile(
    name="siwc",
    issuer="https://auth.openai.com",
    authorize_url="https://auth.openai.com/api/accounts/authorize",
    token_url="https://auth.openai.com/api/accounts/oauth/token",  # noqa: S106 - an address
    revoke_url="https://auth.openai.com/api/accounts/oauth/revoke",
    client_id="dynamic_agent_client",
    registration=Registration(
        app_name=APP_NAME, jwks_url="https://auth.openai.com/.well-known/jwks.json"
    ),
    scope="openid profile email offline_access resource.invoke chatgpt.tokens.use.direct",
    required_scope="chatgpt.tokens.use.direct",
    parameters={"resource": "https://api.openai.com/v1"},
    base_url="https://api.openai.com/v1",
    redirect_ports=(0,),
)
"""*Sign in with ChatGPT* for open-source apps that run on their user's machine."""

CODEX = Profile(
    name="codex",
    issuer="https://auth.openai.com",
    authorize_url="https://auth.openai.com/oauth/authorize",
    token_url="https://auth.openai.com/oauth/token",  # noqa: S106 - an address
    revoke_url="https://auth.openai.com/oauth/revoke",
    device=DeviceCodes(
        code_url="https://auth.openai.com/api/accounts/deviceauth/usercode",
        token_url="https://auth.openai.com/api/accounts/deviceauth/token",  # noqa: S106
        page="https://auth.openai.com/codex/device",
        redirect_uri="https://auth.openai.com/deviceauth/callback",
    ),
    client_id="app_EMoamEEZ73f0CkXaXp7hrann",
    scope="openid profile email offline_access",
    parameters={
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "originator": APP_NAME,
    },
    base_url="https://chatgpt.com/backend-api/codex",
    redirect_ports=(1455, 1457),
)
"""The endpoints of the Codex CLI. OpenAI does not document them and may close them any time."""

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (SIWC, CODEX)}
DEFAULT_PROFILE: ProfileName = "siwc"


def profile_named(name: str) -> Profile:
    """Returns a profile.

    Raises:
        InvalidOptionError: There is none of that name.
    """
    if name not in PROFILES:
        raise InvalidOptionError(f"unknown profile {name!r}; choose one of: {', '.join(PROFILES)}")
    return PROFILES[name]


def relocated(profile: Profile, issuer: str, base_url: str) -> Profile:
    """Returns a profile with other addresses, such as those of `signedin.loopback`.

    Args:
        profile: One of the profiles here.
        issuer: Address in the place of OpenAI's sign-in, without a slash at the end.
        base_url: Address for requests for models.

    Raises:
        InvalidOptionError: One of them is not trusted.
    """
    check_trusted(issuer)
    here = msgspec.json.encode(profile).replace(profile.issuer.encode(), issuer.encode())
    moved = msgspec.json.decode(here, type=Profile)
    return msgspec.structs.replace(moved, base_url=base_url)
