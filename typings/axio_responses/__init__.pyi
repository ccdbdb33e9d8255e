from enum import StrEnum

from axio.events import IterationEnd, StreamEvent
from axio.messages import Message
from axio.tool import Tool
from axio.types import StopReason
from axio_sse import Event

class Recovery(StrEnum):
    retry = "retry"
    quota = "quota"
    authentication = "authentication"
    permission = "permission"
    invalid_request = "invalid_request"
    unknown = "unknown"

class ResponsesAPIError(Exception):
    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None
    ) -> None: ...
    @property
    def recovery(self) -> Recovery: ...

class Responses:
    stop_reason: StopReason | None
    def read(self, event: Event) -> list[StreamEvent]: ...
    def finished(self) -> IterationEnd: ...

def convert_messages(
    messages: list[Message], system: str
) -> tuple[str, list[dict[str, object]]]: ...
def convert_tools(tools: list[Tool[object]]) -> list[dict[str, object]]: ...
