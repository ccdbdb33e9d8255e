"""The loopback issuer keeps the rules that a real one keeps."""

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
import pytest

from signedin.loopback import LoopbackAccount, LoopbackIssuer
from signedin.loopback.grants import Grants

VERIFIER = "a-verifier-that-is-long-enough-for-everybody"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
REDIRECT = "http://127.0.0.1:1455/auth/callback"
ASKED = {
    "redirect_uri": REDIRECT,
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
    "state": "a-state",
}


@pytest.fixture
def http(issuer: LoopbackIssuer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=issuer.url, trust_env=False) as client:
        yield client


def code_of(http: httpx2.Client, **changes: str) -> str:
    answer = http.get("/oauth/authorize", params={**ASKED, **changes})
    assert answer.status_code == 302
    location = urlsplit(answer.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == REDIRECT
    query = parse_qs(location.query)
    assert query["state"] == ["a-state"]
    return query["code"][0]


def redeem(http: httpx2.Client, code: str, /, **changes: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
    }
    return http.post("/oauth/token", data={**form, **changes})


def refresh(http: httpx2.Client, token: str) -> httpx2.Response:
    return http.post("/oauth/token", json={"grant_type": "refresh_token", "refresh_token": token})


def claims(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def refused(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_code_gives_tokens_once(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    code = code_of(http)
    tokens = redeem(http, code).json()
    assert set(tokens) == {
        "id_token",
        "access_token",
        "refresh_token",
        "expires_in",
        "token_type",
    }
    assert (tokens["expires_in"], tokens["token_type"]) == (3600, "Bearer")
    owner = claims(tokens["access_token"])["https://api.openai.com/auth"]
    assert (owner["chatgpt_account_id"], owner["chatgpt_plan_type"]) == ("acct-loopback", "pro")
    assert claims(tokens["id_token"])["email"] == "user@example.com"
    assert issuer.is_good(tokens["access_token"])
    assert refused(redeem(http, code)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another"},
        {"redirect_uri": "http://127.0.0.1:1457/auth/callback"},
        {"code": "code-guessed"},
    ],
)
def test_a_code_belongs_to_who_asked_for_it(http: httpx2.Client, changes: dict[str, str]) -> None:
    assert refused(redeem(http, code_of(http), **changes)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"redirect_uri": "https://example.com/callback"}, "invalid_redirect_uri"),
        ({"redirect_uri": ""}, "invalid_redirect_uri"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
    ],
)
def test_no_code_leaves_this_machine_or_goes_without_a_challenge(
    http: httpx2.Client, changes: dict[str, str], reason: str
) -> None:
    answer = http.get("/oauth/authorize", params={**ASKED, **changes})
    assert refused(answer) == (400, reason)


def test_a_refresh_token_is_good_once(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    first = redeem(http, code_of(http)).json()
    second = refresh(http, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert refused(refresh(http, first["refresh_token"])) == (401, "refresh_token_reused")
    assert refresh(http, second["refresh_token"]).status_code == 200
    assert refused(refresh(http, "rt_guessed")) == (401, "refresh_token_invalidated")


def test_revoked_tokens_are_worthless(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    tokens = issuer.issue_tokens()
    for token in (tokens.access_token, tokens.refresh_token, "unknown"):
        assert http.post("/oauth/revoke", json={"token": token}).json() == {}
    assert not issuer.is_good(tokens.access_token)
    assert refused(refresh(http, tokens.refresh_token)) == (401, "refresh_token_invalidated")
    others = issuer.issue_tokens()
    issuer.revoke_all()
    assert not issuer.is_good(others.access_token)
    assert refused(refresh(http, others.refresh_token)) == (401, "refresh_token_invalidated")


def test_an_access_token_ends() -> None:
    lasting, ended = (Grants(LoopbackAccount(), lifetime) for lifetime in (60, 0))
    assert lasting.is_good(lasting.issue().access_token)
    assert not ended.is_good(ended.issue().access_token)


def test_a_device(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    given = http.post("/api/accounts/deviceauth/usercode", json={"client_id": "app"}).json()
    assert set(given) == {"device_auth_id", "user_code", "interval"}
    asked = {name: given[name] for name in ("device_auth_id", "user_code")}
    poll = "/api/accounts/deviceauth/token"
    assert refused(http.post(poll, json=asked)) == (403, "authorization_pending")
    wrong = {**asked, "user_code": "0000-0000"}
    assert refused(http.post(poll, json=wrong)) == (404, "device_code_not_found")
    with pytest.raises(LookupError, match="no device sign-in waits with the code '0000-0000'"):
        issuer.approve_device("0000-0000")
    issuer.approve_device(given["user_code"])
    answer = http.post(poll, json=asked).json()
    tokens = redeem(
        http,
        answer["authorization_code"],
        redirect_uri=f"{issuer.url}/deviceauth/callback",
        code_verifier=answer["code_verifier"],
    )
    assert issuer.is_good(tokens.json()["access_token"])
    assert refused(http.post(poll, json=asked)) == (404, "device_code_not_found")


@pytest.mark.parametrize("path", ["/backend-api/wham/accounts/check", "/backend-api/wham/usage"])
def test_the_account_is_shown_to_its_owner_only(
    issuer: LoopbackIssuer, http: httpx2.Client, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer guessed"}, {"Authorization": "Basic x"}):
        assert refused(http.get(path, headers=headers)) == (401, "token_invalidated")
    bearer = {"Authorization": f"Bearer {issuer.issue_tokens().access_token}"}
    assert "acct-loopback" in http.get(path, headers=bearer).text


def test_the_account_decides_what_is_told() -> None:
    account = LoopbackAccount(email="a@b.c", plan="plus", used_percent=90, used_percent_of_week=5)
    with LoopbackIssuer(account) as issuer:
        tokens = issuer.issue_tokens()
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        usage = httpx2.get(
            f"{issuer.url}/backend-api/wham/usage", headers=bearer, trust_env=False
        ).json()
    assert (usage["email"], usage["plan_type"]) == ("a@b.c", "plus")
    windows = usage["rate_limit"]
    assert windows["primary_window"]["used_percent"] == 90
    assert windows["secondary_window"]["used_percent"] == 5
    assert repr(tokens) == "Tokens(***)"


def test_a_failing_token_endpoint(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    code = code_of(http)
    issuer.failing = True
    assert refused(redeem(http, code)) == (500, "server_error")
    issuer.failing = False
    assert redeem(http, code).status_code == 200


def test_other_grants_and_paths_are_refused(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    odd = http.post("/oauth/token", data={"grant_type": "password"})
    assert refused(odd) == (400, "unsupported_grant_type")
    assert refused(http.get("/oauth/token")) == (404, "not_found")
    without_token = issuer.url.rpartition("/")[0]
    answer = httpx2.get(f"{without_token}/oauth/authorize", params=ASKED, trust_env=False)
    assert refused(answer) == (404, "not_found")


def test_requests_are_kept_without_secrets(issuer: LoopbackIssuer, http: httpx2.Client) -> None:
    tokens = redeem(http, code_of(http), client_id="app").json()
    refresh(http, tokens["refresh_token"])
    authorize, exchange, renewal = issuer.requests
    assert (authorize.method, authorize.path) == ("GET", "/oauth/authorize")
    assert authorize.fields == {
        "redirect_uri": REDIRECT,
        "code_challenge": "***",
        "code_challenge_method": "S256",
        "state": "***",
    }
    assert exchange.fields == {
        "grant_type": "authorization_code",
        "code": "***",
        "redirect_uri": REDIRECT,
        "code_verifier": "***",
        "client_id": "app",
    }
    assert renewal.fields == {"grant_type": "refresh_token", "refresh_token": "***"}
