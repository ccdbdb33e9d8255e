"""The wire format of Gemini Code Assist, which Gemini CLI speaks for a Google login.

It is the Gemini API in envelopes, below one address, with questions about the account beside it.
Seen with Gemini CLI 0.61.
"""

from collections.abc import Mapping

from msgspec import Struct, convert

from signedin.loopback.gemini_api import GeminiAPI, GeminiStream, UnstreamedContent
from signedin.loopback.request import ModelRequest, Reading
from signedin.loopback.script import HttpError, Refusal, Reply, Usage

_PREFIX = "/v1internal:"

_TIER = {"id": "standard-tier", "name": "Gemini Code Assist Standard"}
_PROJECT = "loopback-project"

_ACCOUNT: Mapping[str, Mapping[str, object]] = {
    "loadCodeAssist": {
        "currentTier": _TIER,
        "allowedTiers": [{**_TIER, "isDefault": True}],
        "cloudaicompanionProject": _PROJECT,
    },
    "onboardUser": {
        "name": "operations/loopback",
        "done": True,
        "response": {"cloudaicompanionProject": {"id": _PROJECT}},
    },
    "retrieveUserQuota": {"buckets": []},
    "listExperiments": {"experimentIds": [], "flags": []},
    "fetchAdminControls": {},
    "getCodeAssistGlobalUserSetting": {},
    "setCodeAssistGlobalUserSetting": {},
    "recordCodeAssistMetrics": {},
    "countTokens": {"totalTokens": Usage().input_tokens},
}
"""What is asked besides content, and the answers: an account whose plan pays."""

_CONTENT = ("streamGenerateContent", "generateContent")


class _CodeAssistRequest(Struct):
    model: str = ""
    request: Mapping[str, object] = {}


class CodeAssistAPI:
    """`/v1internal:{method}`, at whatever address `CODE_ASSIST_ENDPOINT` names."""

    name = "code-assist"

    def __init__(self) -> None:
        self._gemini = GeminiAPI()

    def serves(self, method: str, path: str) -> bool:
        """Whether this is a call of a known method."""
        del method  # settings are read with GET
        return _method(path) in (*_ACCOUNT, *_CONTENT)

    def read(self, path: str, body: Mapping[str, object]) -> Reading:
        """Read what is in the envelope.

        Raises:
            ValueError: The body is not a request for content.
        """
        if _method(path) not in _CONTENT:
            return Reading()
        asked = convert(body, _CodeAssistRequest)
        return self._gemini.read(f"/models/{asked.model}:", asked.request)

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:
        """The answer to a question about the account."""
        del method
        return _ACCOUNT.get(_method(path))

    def stream(self, request: ModelRequest, reply: Reply) -> GeminiStream | UnstreamedContent:
        """Answer `request` with the content of `reply`, streamed if it asks for that."""
        stream = _CodeAssistStream(request, reply)
        return stream if "streamGenerateContent" in request.path else UnstreamedContent(stream)

    def refusal(self, refusal: Refusal) -> HttpError:
        """The refusal in Google's error form."""
        return self._gemini.refusal(refusal)


class _CodeAssistStream(GeminiStream):
    """The Gemini API's responses, each in an envelope."""

    def response(
        self, parts: list[dict[str, object]], finish_reason: str | None
    ) -> dict[str, object]:
        plain = super().response(parts, finish_reason)
        return {"response": plain, "traceId": plain["responseId"]}


def _method(path: str) -> str:
    route = path.partition("?")[0]
    return route.removeprefix(_PREFIX) if route.startswith(_PREFIX) else ""
