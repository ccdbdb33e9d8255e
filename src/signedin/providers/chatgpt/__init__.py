"""ChatGPT over HTTP, with the user's own plan.

Most programs use `signedin.Client`. `ChatGPTTransport` is one level below it: requests for answers
in the format of the Responses API, the account's models, and the remaining quota of the plan.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach

if TYPE_CHECKING:
    from signedin.providers.chatgpt.messages import FunctionCall
    from signedin.providers.chatgpt.models import Model
    from signedin.providers.chatgpt.requests import (
        InputItem,
        ResponseRequest,
        function_output,
        function_tool,
        user_message,
    )
    from signedin.providers.chatgpt.sign_in.access import Access, AccessSource
    from signedin.providers.chatgpt.sign_in.profiles import CODEX, SIWC, Profile
    from signedin.providers.chatgpt.transport import AnswerStream, ChatGPTTransport

__all__ = [
    "CODEX",
    "SIWC",
    "Access",
    "AccessSource",
    "AnswerStream",
    "ChatGPTTransport",
    "FunctionCall",
    "InputItem",
    "Model",
    "Profile",
    "ResponseRequest",
    "function_output",
    "function_tool",
    "user_message",
]

_HOMES = {
    ".messages": "FunctionCall",
    ".models": "Model",
    ".requests": "InputItem ResponseRequest function_output function_tool user_message",
    ".sign_in.access": "Access AccessSource",
    ".sign_in.profiles": "CODEX SIWC Profile",
    ".transport": "AnswerStream ChatGPTTransport",
}

if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted
    _, __getattr__ = attach(__name__, _HOMES)
