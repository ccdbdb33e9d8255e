from typing import Generic, TypeVar

_T = TypeVar("_T")

class Tool(Generic[_T]): ...
