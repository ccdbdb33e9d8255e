"""The loopback issuer keeps the rules of *Sign in with ChatGPT*."""

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest

from signedin.loopback import LoopbackIssuer

VERIFIER = "a-verifier-that-is-long-enough-for-everybody"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
REDIRECT = "http://127.0.0.1:1455/auth/callback"
ASKED = {
    "client_id": "dynamic_agent_client",
    "agent_name_hint": "a program",
    "ext_agent_host_id": "urn:uuid:1",
    "nonce": "a-nonce",
    "redirect_uri": REDIRECT,
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
    "state": "a-state",
}


@pytest.fixture
def http(issuer: LoopbackIssuer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=issuer.url, trust_env=False) as client:
        yield client


def authorize(http: httpx2.Client, **changes: str) -> dict[str, str]:
    answer = http.get("/api/accounts/authorize", params={**ASKED, **changes})
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: value for name, [value] in query.items()}


def ask(http: httpx2.Client, **form: str) -> httpx2.Response:
    return http.post("/api/accounts/oauth/token", data=form)


def redeem(http: httpx2.Client, given: dict[str, str], **changes: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": given["client_id"],
        "code": given["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return ask(http, **{**form, **changes})


def refresh(http: httpx2.Client, client_id: str, token: str) -> httpx2.Response:
    return ask(http, grant_type="refresh_token", client_id=client_id, refresh_token=token)


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_program_gets_a_name_and_signed_tokens(
    issuer: LoopbackIssuer, http: httpx2.Client
) -> None:
    given = authorize(http)
    assert given.keys() == {"code", "client_id", "state"}
    assert issuer.agents.clients == {given["client_id"]: "a program"}
    tokens = redeem(http, given).json()
    assert issuer.is_good(tokens["access_token"])
    assert tokens["scope"] == issuer.agents.scope
    keys = jwt.PyJWKSet.from_dict(http.get("/.well-known/jwks.json").json())
    claims = jwt.decode(
        tokens["id_token"],
        keys["loopback-key"],
        algorithms=["RS256"],
        audience=given["client_id"],
        issuer=issuer.url,
    )
    assert (claims["nonce"], claims["email"]) == ("a-nonce", "user@example.com")
    assert refused(redeem(http, given)) == (401, "invalid_client")


def test_a_known_program_keeps_its_name(http: httpx2.Client) -> None:
    first = authorize(http)
    again = authorize(http, client_id=first["client_id"], agent_name_hint="")
    assert again["client_id"] == first["client_id"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nonce": ""}, "invalid_request"),
        ({"ext_agent_host_id": ""}, "invalid_request"),
        ({"agent_name_hint": ""}, "invalid_client"),
        ({"client_id": "oaiapp_unknown"}, "invalid_client"),
        ({"code_challenge": ""}, "invalid_request"),
    ],
)
def test_an_incomplete_request_is_refused(
    http: httpx2.Client, changes: dict[str, str], code: str
) -> None:
    answer = http.get("/api/accounts/authorize", params={**ASKED, **changes})
    assert refused(answer) == (400, code)


def test_codes_and_tokens_belong_to_the_name(http: httpx2.Client) -> None:
    other = authorize(http)["client_id"]
    assert refused(redeem(http, authorize(http), client_id=other)) == (401, "invalid_client")
    given = authorize(http)
    token = redeem(http, given).json()["refresh_token"]
    assert refused(refresh(http, other, token)) == (401, "invalid_client")
    assert refresh(http, given["client_id"], token).status_code == 200
    assert refused(refresh(http, given["client_id"], token)) == (401, "refresh_token_reused")


def test_an_early_refresh_spends_the_token(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    issuer.agents.earliest_refresh = 60.0
    given = authorize(http)
    token = redeem(http, given).json()["refresh_token"]
    assert refused(refresh(http, given["client_id"], token)) == (400, "invalid_grant")
    issuer.agents._earliest.clear()
    assert refused(refresh(http, given["client_id"], token))[0] == 401
