from typing import TypeAlias

from axio.types import StopReason

class ProviderEvent:
    def __init__(self, provider: str, kind: str, data: dict[str, object]) -> None: ...

class IterationEnd:
    stop_reason: StopReason

StreamEvent: TypeAlias = ProviderEvent | IterationEnd
