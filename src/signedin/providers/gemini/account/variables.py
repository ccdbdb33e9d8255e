"""The variables of Gemini CLI and of Google's models."""

from signedin.accounts.variables import Variables

ADDRESS_VARIABLE = "CODE_ASSIST_ENDPOINT"
"""Where a Google login's token is sent."""

VARIABLES = Variables(
    keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    headers=("GEMINI_CLI_CUSTOM_HEADERS",),
    tokens=("GOOGLE_CLOUD_ACCESS_TOKEN",),
    # The names of other agents for the same keys.
    secrets=("GOOGLE_GENERATIVE_AI_API_KEY", "GOOGLE_VERTEX_API_KEY", "VERTEX_API_KEY"),
    pointers=("GOOGLE_APPLICATION_CREDENTIALS",),
    switches=(
        "CLOUD_SHELL",
        "GEMINI_CLI_USE_COMPUTE_ADC",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_GENAI_USE_VERTEXAI",
    ),
    addresses=(ADDRESS_VARIABLE, "GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"),
)
