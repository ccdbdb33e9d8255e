"""A home of Codex on a test's own disk, with logins that a loopback issuer has given."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import tomlkit

from signedin.loopback import LoopbackModel
from signedin.loopback.issuer import LoopbackIssuer
from signedin.providers.base import ProviderConfig
from signedin.providers.codex.binary import find_codex

KEY = "sk-proj-planted-key-0123456789"


def program() -> str:
    """The real Codex."""
    return str(find_codex(ProviderConfig(transport="codex-app-server")).path)


def configure(home: Path, model: LoopbackModel, issuer: LoopbackIssuer) -> None:
    """Makes Codex use the login, and ask nobody but the two."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = model.client_options("codex")["provider_options"]["config"]
    write_config(home, {**dict(options), **issuer.codex_config})


def write_config(home: Path, options: Mapping[str, Any]) -> None:
    """Writes configuration by dotted key into a home."""
    config = tomlkit.document()
    for dotted, value in options.items():
        *parents, last = dotted.split(".")
        table = config
        for parent in parents:
            table = table.setdefault(parent, tomlkit.table())
        table[last] = value
    (home / "config.toml").write_text(tomlkit.dumps(config))


def sign_in(home: Path, issuer: LoopbackIssuer) -> str:
    """Leaves a ChatGPT login there, as Codex does; returns its access token."""
    verifier = "planted-verifier-planted-verifier-planted-verifier"
    digest = hashlib.sha256(verifier.encode()).digest()
    redirect = {"redirect_uri": "http://127.0.0.1:1/callback"}
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    with httpx2.Client(trust_env=False) as browser:
        query = {**redirect, "code_challenge_method": "S256", "code_challenge": challenge}
        page = browser.get(f"{issuer.url}/oauth/authorize", params=query)
        [code] = parse_qs(urlsplit(page.headers["location"]).query)["code"]
        form = {
            **redirect,
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
        }
        given = browser.post(f"{issuer.url}/oauth/token", data=form).json()
    tokens = {name: given[name] for name in ("id_token", "access_token", "refresh_token")}
    login = {
        "OPENAI_API_KEY": None,
        "tokens": {**tokens, "account_id": issuer.account.account_id},
        "last_refresh": "2026-11-21T00:00:00Z",
    }
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / "auth.json"
    file.write_text(json.dumps(login))
    file.chmod(0o600)
    return tokens["access_token"]


def tokens_in(login: bytes) -> list[str]:
    """The secrets in an ``auth.json``."""
    tokens = json.loads(login)["tokens"]
    return [tokens[name] for name in ("id_token", "access_token", "refresh_token")]


def sign_in_with_key(home: Path) -> None:
    """Has Codex keep an API key."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(
        [program(), "login", "--with-api-key"],
        input=KEY.encode(),
        env={"CODEX_HOME": str(home), "HOME": str(home), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
