"""Anthropic's sign-in server on 127.0.0.1."""

from pathlib import Path

from support.vendor_server import VendorServer

HOSTS = ("api.anthropic.com", "platform.claude.com", "console.anthropic.com", "claude.ai")
TOKEN = "sk-ant-oat01-issued-0123456789"
_LOGIN = {
    "token_type": "Bearer",
    "access_token": TOKEN,
    "refresh_token": "sk-ant-ort01-issued-0123456789",
    "expires_in": 28800,
    "scope": "user:inference user:profile user:sessions:claude_code",
    "account": {"uuid": "11111111-1111-4111-8111-111111111111", "email_address": "u@example.com"},
    "organization": {"uuid": "22222222-2222-4222-8222-222222222222", "name": "Example"},
}
_PROFILE = {
    "account": {
        "uuid": "11111111-1111-4111-8111-111111111111",
        "email": "u@example.com",
        "full_name": "User",
        "display_name": "User",
        "has_claude_max": True,
        "has_claude_pro": False,
    },
    "organization": {
        "uuid": "22222222-2222-4222-8222-222222222222",
        "name": "Example",
        "organization_type": "claude_max",
        "rate_limit_tier": "default_claude_max_20x",
    },
}
_USAGE = {
    "five_hour": {"utilization": 12, "resets_at": "2100-01-01T00:00:00+00:00"},
    "seven_day": {"utilization": 34, "resets_at": "2100-01-01T00:00:00+00:00"},
    "seven_day_opus": None,
}
_ANSWERS = {
    "/v1/oauth/token": _LOGIN,
    "/v1/oauth/token/revoke": {},
    "/api/oauth/profile": _PROFILE,
    "/api/oauth/usage": _USAGE,
    "/api/oauth/claude_cli/roles": {"organization_role": "admin", "organization_name": "Example"},
}


class ClaudeIssuer(VendorServer):
    """Signs in whoever comes, with any code.

    Args:
        folder: Where its certificates are put.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, HOSTS, _ANSWERS)
