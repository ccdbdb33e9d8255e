"""The variables of Codex and of OpenAI."""

from signedin.accounts.variables import Variables

API_KEY_VARIABLE = "CODEX_API_KEY"
TOKEN_VARIABLE = "CODEX_ACCESS_TOKEN"  # noqa: S105 - the name of a variable

VARIABLES = Variables(
    keys=(API_KEY_VARIABLE,),
    tokens=(TOKEN_VARIABLE,),
    # Codex does not read OPENAI_API_KEY (seen with 0.163 and 0.169), so it overrides nothing.
    secrets=(
        "AZURE_API_KEY",
        "AZURE_COGNITIVE_SERVICES_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "OPENAI_ADMIN_KEY",
        "OPENAI_API_KEY",
    ),
)
