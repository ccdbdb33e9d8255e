"""A Google login of Gemini CLI on a test's own disk, and Google's servers on 127.0.0.1."""

import json
import time
from pathlib import Path

from signedin.loopback import LoopbackModel
from support.vendor_server import VendorServer

HOSTS = ("oauth2.googleapis.com", "www.googleapis.com", "cloudcode-pa.googleapis.com")
TOKEN = "ya29.planted-access-token-0123456789"
REFRESH = "1//planted-refresh-token-0123456789"
ISSUED = "ya29.issued-access-token-0123456789"
EMAIL = "u@example.com"
_ANSWERS = {
    "/tokeninfo": {"email": EMAIL, "expires_in": 3600, "scope": "openid"},
    "/oauth2/v2/userinfo": {"email": EMAIL},
    "/token": {"access_token": ISSUED, "token_type": "Bearer", "expires_in": 3600},
}


class Google(VendorServer):
    """Knows every token, and gives a fresh one to whoever has a refresh token.

    Args:
        folder: Where its certificates are put.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, HOSTS, _ANSWERS)

    def environment(self, model: LoopbackModel) -> dict[str, str | None]:
        """Variables that make a Gemini CLI ask nobody but the two."""
        return {
            **dict.fromkeys(("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY")),
            **self.env,
            "NO_PROXY": "127.0.0.1,localhost",
            "CODE_ASSIST_ENDPOINT": model.url,
        }


def sign_in(home: Path, *, expired: bool = False) -> None:
    """Leaves a login there, as Gemini CLI does."""
    folder = home / ".gemini"
    folder.mkdir(parents=True, exist_ok=True)
    login = {
        "access_token": TOKEN,
        "refresh_token": REFRESH,
        "scope": "https://www.googleapis.com/auth/cloud-platform openid",
        "token_type": "Bearer",
        "expiry_date": int((time.time() + (-3600 if expired else 3600)) * 1000),
    }
    file = folder / "oauth_creds.json"
    file.write_text(json.dumps(login))
    file.chmod(0o600)


def choose(home: Path, method: str) -> Path:
    """Chooses how to sign in, in the settings; returns their file."""
    folder = home / ".gemini"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "security": {"auth": {"selectedType": method}},
        "general": {"maxAttempts": 1, "enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    file = folder / "settings.json"
    file.write_text(json.dumps(settings))
    return file
