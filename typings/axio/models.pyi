from collections.abc import Iterable
from enum import StrEnum

class Capability(StrEnum):
    text = "text"
    vision = "vision"
    reasoning = "reasoning"
    tool_use = "tool_use"

class ModelSpec:
    id: str
    def __init__(
        self,
        id: str,  # noqa: A002 - axio calls it so
        capabilities: frozenset[Capability] = ...,
        max_output_tokens: int = ...,
        context_window: int = ...,
    ) -> None: ...

class ModelRegistry:
    def __init__(self, models: Iterable[ModelSpec] | None = None) -> None: ...
    def __len__(self) -> int: ...
    def get(self, key: str) -> ModelSpec | None: ...
    def first(self) -> ModelSpec: ...
