"""A login of Claude Code on a test's own disk."""

import json
from pathlib import Path

TOKEN = "sk-ant-oat01-planted-token-0123456789"
REFRESH = "sk-ant-ort01-planted-token-0123456789"
_LOGIN = {
    "claudeAiOauth": {
        "accessToken": TOKEN,
        "refreshToken": REFRESH,
        "expiresAt": 4102444800000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
        "rateLimitTier": "default_claude_max_20x",
    }
}


def sign_in(home: Path) -> None:
    """Leaves a login there, as Claude Code does."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / ".credentials.json"
    file.write_text(json.dumps(_LOGIN))
    file.chmod(0o600)
