"""The variables of Claude Code and of Anthropic."""

from signedin.accounts.variables import Variables

TOKEN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105 - the name of a variable

VARIABLES = Variables(
    keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_IDENTITY_TOKEN"),
    headers=("ANTHROPIC_CUSTOM_HEADERS",),
    tokens=(TOKEN_VARIABLE, f"{TOKEN_VARIABLE}_FILE_DESCRIPTOR"),
    # These apply only together with a switch.
    secrets=(
        "ANTHROPIC_AWS_API_KEY",
        "ANTHROPIC_FOUNDRY_API_KEY",
        "ANTHROPIC_FOUNDRY_AUTH_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "CLAUDE_API_KEY",
        "CLAUDE_CODE_GATEWAY_TOKEN",
        "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    ),
    pointers=(
        "ANTHROPIC_FEDERATION_RULE_ID",
        "ANTHROPIC_IDENTITY_TOKEN_FILE",
        "ANTHROPIC_PROFILE",
        "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
        "CLAUDE_CODE_GATEWAY_TOKEN_FILE_DESCRIPTOR",
        "CLAUDE_CODE_HOST_AUTH_ENV_VAR",
        "CLAUDE_CODE_HOST_CREDS_FILE",
    ),
    switches=(
        "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
        "CLAUDE_CODE_SIMPLE",  # does not look at logins
        "CLAUDE_CODE_USE_ANTHROPIC_AWS",
        "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_FOUNDRY",
        "CLAUDE_CODE_USE_GATEWAY",
        "CLAUDE_CODE_USE_MANTLE",
        "CLAUDE_CODE_USE_VERTEX",
    ),
    addresses=("ANTHROPIC_BASE_URL", "ANTHROPIC_UNIX_SOCKET"),
)
"""Seen with 2.1.197 and 2.1.330 for keys, addresses, headers, Bedrock and Vertex; the others are
names in these programs."""
