"""Python functions that the agent may call.

`tool` turns a typed function into a `Tool`, whose schema the model is shown; `Tool.call` runs it
with the model's arguments. A call never raises: what goes wrong becomes a result that the model can
read and act on.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from types import MethodType
from typing import Generic, ParamSpec, TypeAlias, TypeVar, cast, overload

import msgspec

from signedin.model.errors import InvalidOptionError, described
from signedin.model.events import JSON
from signedin.model.redact import redact
from signedin.runtime.aio import in_thread, is_cancelled
from signedin.tools.content import Content, TextContent, content_of
from signedin.tools.schemas.parameters import Parameters, parameters_of
from signedin.tools.schemas.plain import Schema
from signedin.tools.schemas.shape import MismatchError
from signedin.tools.schemas.strict import portable

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Keyword Args|Other Parameters|Attributes|Returns?|Yields?|Raises"
    r"|Examples?|Notes?|See Also|References|Todo|Warnings?|Warns):\s*$"
)
_PARAMETERS = frozenset({"Args", "Arguments", "Parameters", "Keyword Args", "Other Parameters"})
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


class ToolResult(msgspec.Struct, frozen=True):
    """The result of a call.

    Attributes:
        content: What the model is shown.
        error: Whether the call failed.
        exception: Why it failed, if an exception was the reason.
    """

    content: tuple[Content, ...]
    error: bool = False
    exception: BaseException | None = None

    @property
    def text(self) -> str:
        """The text of the content, without images."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextContent))


class Tool(msgspec.Struct, Generic[P, R_co], frozen=True, eq=False, dict=True):
    """A function that the agent may call; made by `tool`. Calling it calls the function.

    Attributes:
        name: What the model calls it by.
        description: The description that the model gets.
        function: The function itself.
        parameters: What it can be called with.
        needs_self: Whether it is a method that is not yet bound to an object.
    """

    name: str
    description: str
    function: Callable[P, R_co]
    parameters: Parameters
    needs_self: bool = False

    @property
    def schema(self) -> Schema:
        """JSON Schema of the arguments, in the form of `signedin.tools.schemas.plain`."""
        return self.parameters.schema

    @cached_property
    def portable_schema(self) -> Schema:
        """The same for vendors that drop keywords; see `signedin.tools.schemas.strict.portable`."""
        return portable(self.schema)

    async def call(self, arguments: JSON) -> ToolResult:
        """Calls the function with the arguments a model gave.

        An async function runs here, any other in a thread of its own. Cancelling the call cancels
        an async function; a function in a thread runs on, but it is not waited for. Every exception
        becomes a result.
        """
        try:
            values = self.parameters.convert(arguments)
        except MismatchError as error:
            return _failure(f"wrong arguments for {self.name}: {error}", error)
        except Exception as error:
            return _failure(f"wrong arguments for {self.name}: {described(error)}", error)
        try:
            value = await self._run(values)
            return value if isinstance(value, ToolResult) else ToolResult(content_of(value))
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            return _failure(described(error), error)
        except (Exception, SystemExit) as error:
            return _failure(described(error), error)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Calls the function itself."""
        return self.function(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Tool[..., R_co]:
        """Binds a method to its object, as functions do."""
        if instance is None or not self.needs_self:
            return self
        bound = MethodType(self.function, instance)
        return Tool(self.name, self.description, bound, self.parameters)

    def __reduce__(self) -> tuple[object, ...]:
        """Is made anew in another process: what reads arguments goes to none."""
        return partial(tool, name=self.name, description=self.description), (self.function,)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    async def _run(self, values: dict[str, object]) -> object:
        function = cast("Callable[..., object]", self.function)
        if inspect.iscoroutinefunction(function):
            return await function(**values)
        result = await in_thread(partial(function, **values), f"signedin tool {self.name}")
        return await result if inspect.isawaitable(result) else result


AnyTool: TypeAlias = Tool[..., object]
"""A tool, whatever it takes and gives."""


@overload
def tool(
    function: Callable[P, R], /, *, name: str | None = None, description: str | None = None
) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Makes a function or method callable by the agent; used bare or with arguments.

    The model is given the function's docstring and, from the annotations, what to call it with: a
    parameter's description is a string in its ``Annotated``, or its entry below ``Args:`` in the
    docstring.

    Args:
        function: A function, method or other callable, async or not, with annotated parameters.
        name: Instead of the function's own name.
        description: Instead of the docstring's text before its first section.

    Raises:
        InvalidOptionError: The name cannot be used, or a parameter cannot be given by a model.
    """
    if function is None:
        return lambda decorated: _new_tool(decorated, name, description)
    return _new_tool(function, name, description)


class Toolbox:
    """The tools of a session.

    Attributes:
        tools: The tools by their names.
    """

    def __init__(self, tools: Iterable[AnyTool]) -> None:
        """Takes the tools.

        Raises:
            InvalidOptionError: Something is not a tool, or two have the same name.
        """
        self.tools: dict[str, AnyTool] = {}
        for entry in cast("Iterable[object]", tools):
            if not isinstance(entry, Tool):
                raise InvalidOptionError(
                    f"{entry!r} is not a tool; decorate the function with @tool"
                )
            candidate = cast("AnyTool", entry)
            if candidate.needs_self:
                raise InvalidOptionError(
                    f"tool {candidate.name!r} is a method; give it from an object, not from a class"
                )
            if candidate.name in self.tools:
                raise InvalidOptionError(f"there are two tools of the name {candidate.name!r}")
            self.tools[candidate.name] = candidate

    def get(self, name: str) -> AnyTool | None:
        """Returns the tool of a name, ``None`` if there is none."""
        return self.tools.get(name)

    async def call(self, name: str, arguments: JSON) -> ToolResult:
        """Calls a tool as `Tool.call` does; a tool that is not there gives an error result."""
        found = self.get(name)
        if found is None:
            those = f"this session's tools are: {', '.join(self.tools)}"
            there = those if self.tools else "this session has no tools"
            return _failure(f"there is no tool {name!r}; {there}", None)
        return await found.call(arguments)


def _new_tool(function: Callable[P, R], name: str | None, description: str | None) -> Tool[P, R]:
    name = name or getattr(function, "__name__", None)
    if name is None:
        raise InvalidOptionError(f"{function!r} has no name; give it one with tool(…, name=…)")
    if not _NAME.fullmatch(name):
        raise InvalidOptionError(
            f"{name!r} cannot be the name of a tool: vendors accept 1 to 64 of the characters "
            "a-z, A-Z, 0-9, _ and -; give another with name="
        )
    label = f"tool {getattr(function, '__qualname__', name)}"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidOptionError(f"{label} yields; a tool returns its complete result")
    summary, parameters = read_docstring(_docstring(function))
    needs_self = _is_method(function)
    return Tool(
        name=name,
        description=summary if description is None else description,
        function=function,
        parameters=parameters_of(function, label, parameters, skip=int(needs_self)),
        needs_self=needs_self,
    )


def _is_method(function: Callable[..., object]) -> bool:
    """Whether a function waits for its ``self``; while its class is made, its names show it."""
    in_class = "." in getattr(function, "__qualname__", "").rpartition("<locals>.")[2]
    first = next(iter(inspect.signature(function).parameters), "")
    return inspect.isfunction(function) and in_class and first in {"self", "cls"}


def _docstring(function: object) -> str | None:
    """The function's own docstring; that of a partial call is its function's."""
    while isinstance(function, partial):
        function = cast("partial[object]", function).func
    return function.__doc__


def _failure(text: str, error: BaseException | None) -> ToolResult:
    return ToolResult((TextContent(redact(text)),), error=True, exception=error)


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Returns the text before the first section, and what is said of each parameter."""
    description: list[str] = []
    entries: dict[str, list[str]] = {}
    section: str | None = None
    entry_indent = 0
    entry: list[str] = []
    for line in inspect.cleandoc(text or "").splitlines():
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        if indent == 0 and (heading := _SECTION.match(line)):
            section, entry_indent = heading[1], 0
        elif section is None:
            description.append(line)
        elif section in _PARAMETERS and bare:
            starts = _ENTRY.match(bare) if not entry_indent or indent <= entry_indent else None
            if starts:
                entry_indent = indent
                entry = entries.setdefault(starts[1], [])
                entry.append(starts[2])
            else:
                entry.append(bare)
    parameters = {name: " ".join(lines).strip() for name, lines in entries.items()}
    return "\n".join(description).strip(), parameters
