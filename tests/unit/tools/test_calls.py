"""Calls of tools: results, failures, threads and cancellation."""

import asyncio
import contextvars
import dataclasses
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import pydantic
import pytest
from hypothesis import given, strategies as st

from signedin.model.errors import InvalidOptionError
from signedin.tools.content import ImageContent, TextContent, content_of
from signedin.tools.schemas.shape import MismatchError
from signedin.tools.tool import Toolbox, ToolResult, tool

PNG = b"\x89PNG\r\n\x1a\n rest"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Model(pydantic.BaseModel):
    when: Path
    many: list[int] = []


class Holder(msgspec.Struct):
    model: Model


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", [TextContent("text")]),
        ("", [TextContent("")]),
        ("lone \ud800", [TextContent("lone ?")]),
        (None, [TextContent("null")]),
        (True, [TextContent("true")]),
        (3, [TextContent("3")]),
        ({"a": [1, None]}, [TextContent('{"a":[1,null]}')]),
        ([1, "a"], [TextContent('[1,"a"]')]),
        ([], [TextContent("[]")]),
        (Point(1), [TextContent('{"x":1,"y":0}')]),
        (Model(when="/tmp"), [TextContent('{"when":"/tmp","many":[]}')]),
        ([Holder(Model(when="/"))], [TextContent('[{"model":{"when":"/","many":[]}}]')]),
        (Path("/a"), [TextContent('"/a"')]),
        (b"plain", [TextContent("plain")]),
        (bytearray(b"plain"), [TextContent("plain")]),
        (b"\xff\x00", [TextContent("data:application/octet-stream;base64,/wA=")]),
        (PNG, [ImageContent(PNG, "image/png")]),
        (b"\xff\xd8\xff\xe0", [ImageContent(b"\xff\xd8\xff\xe0", "image/jpeg")]),
        (b"GIF89a..", [ImageContent(b"GIF89a..", "image/gif")]),
        (b"RIFF1234WEBP", [ImageContent(b"RIFF1234WEBP", "image/webp")]),
        (ImageContent(b"x", "image/avif"), [ImageContent(b"x", "image/avif")]),
        (
            ["before", ImageContent(PNG, "image/png"), b"after"],
            [TextContent("before"), ImageContent(PNG, "image/png"), TextContent("after")],
        ),
    ],
    ids=repr,
)
async def test_results_become_text_or_images(value, content):
    @tool
    def give() -> object:
        return value

    assert await give.call({}) == ToolResult(tuple(content))


@given(st.binary())
def test_any_bytes_are_shown(data):
    (content,) = content_of(data)
    assert isinstance(content, TextContent | ImageContent)


def test_images_are_offered_the_way_vendors_take_them():
    image = ImageContent(b"abc", "image/png")
    assert (image.base64, image.data_url) == ("YWJj", "data:image/png;base64,YWJj")
    assert repr(image) == "ImageContent(<3 bytes>, 'image/png')"
    assert ToolResult((TextContent("a"), image, TextContent("b"))).text == "a\nb"


async def test_a_function_can_make_its_own_result():
    refused = ToolResult((TextContent("not today"),), error=True)

    @tool
    async def decide() -> ToolResult:
        return refused

    assert await decide.call(None) is refused


@tool
def book(
    city: str, nights: Annotated[int, msgspec.Meta(ge=1)] = 1, point: Point | None = None
) -> str:
    return f"{city} {nights} {point}"


@pytest.mark.parametrize(
    ("arguments", "reasons"),
    [
        ({}, ["/city: is missing"]),
        (None, ["/city: is missing"]),
        ([], ["/: expected an object with the arguments"]),
        ("Oslo", ["/: expected an object with the arguments"]),
        ({"city": None}, ["/city: expected str, got null"]),
        (
            {"city": 1, "nights": 0, "town": "Oslo"},
            [
                "/town: there is no such parameter; the parameters are: city, nights, point",
                "/city: expected str, got int",
                "/nights: expected int >= 1",
            ],
        ),
        (
            {"city": "Oslo", "point": {"x": "1"}},
            ["/point/x: expected int, got str"],
        ),
    ],
)
async def test_wrong_arguments_are_told_to_the_model(arguments, reasons):
    result = await book.call(arguments)
    assert result.error
    assert result.text == f"wrong arguments for book: {'; '.join(reasons)}"
    assert isinstance(result.exception, MismatchError)
    assert list(result.exception.reasons) == reasons


async def test_null_for_a_parameter_with_a_default_means_the_default():
    assert (await book.call({"city": "Oslo", "nights": None, "point": None})).text == "Oslo 1 None"


class UnshowableError(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (KeyError("city"), "KeyError: 'city'"),
        (LookupError(), "LookupError"),
        (ValueError("the key is sk-abcdefgh12345678"), "ValueError: the key is ***"),
        (SystemExit(2), "SystemExit: 2"),
        (asyncio.CancelledError(), "CancelledError"),
        (UnshowableError(), "UnshowableError"),
        (MismatchError(["/x: not an argument"]), "MismatchError: /x: not an argument"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_an_exception_becomes_a_result_that_the_model_sees(error, text, is_async):
    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    result = await tool(fail_async if is_async else fail, name="fail").call({})
    assert result == ToolResult((TextContent(text),), error=True, exception=error)
    assert result.exception is error


async def test_a_result_that_cannot_be_shown_is_an_error():
    @tool
    def strange() -> object:
        return object()

    result = await strange.call({})
    assert (result.error, result.text) == (True, "TypeError: object has no JSON form")


async def test_what_the_types_of_the_caller_raise_is_told_too():
    class Careless(msgspec.Struct):
        x: int

        def __post_init__(self):
            raise ZeroDivisionError("oops")

    def use(careless) -> None: ...

    use.__annotations__ = {"careless": Careless}
    result = await tool(use).call({"careless": {"x": 1}})
    assert result.text == "wrong arguments for use: ZeroDivisionError: oops"
    assert isinstance(result.exception, ZeroDivisionError)


VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


async def test_functions_run_in_threads_with_the_context_of_the_caller():
    @tool
    def where() -> list[object]:
        return [threading.current_thread() is threading.main_thread(), VARIABLE.get()]

    @tool
    async def where_async() -> list[object]:
        return [threading.current_thread() is threading.main_thread(), VARIABLE.get()]

    VARIABLE.set("set")
    assert (await where.call({})).text == '[false,"set"]'
    assert (await where_async.call({})).text == '[true,"set"]'


async def test_a_function_that_returns_an_awaitable_is_awaited_on_the_loop():
    async def later() -> str:
        return f"on the loop: {threading.current_thread() is threading.main_thread()}"

    @tool
    def start() -> object:
        return later()

    assert (await start.call({})).text == "on the loop: True"


async def test_many_blocking_calls_run_at_the_same_time():
    together = threading.Barrier(40, timeout=20)

    @tool
    def meet() -> int:
        return together.wait()

    results = await asyncio.gather(*(meet.call({}) for _ in range(40)))
    assert sorted(int(result.text) for result in results) == list(range(40))


async def test_cancelling_a_call_cancels_an_async_function():
    started, cleaned = asyncio.Event(), []

    @tool
    async def wait() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    call = asyncio.create_task(wait.call({}))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert cleaned == [True]


def test_a_cancelled_call_does_not_wait_for_a_blocked_function():
    started, release, ended = threading.Event(), threading.Event(), threading.Event()

    @tool
    def block() -> None:
        started.set()
        release.wait(20)
        ended.set()

    async def main() -> None:
        call = asyncio.create_task(block.call({}))
        while not started.is_set():
            await asyncio.to_thread(started.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())
    assert not ended.is_set()
    release.set()
    assert ended.wait(20)


async def test_a_function_that_ends_after_its_call_was_cancelled_disturbs_nobody():
    started, release, disturbed = threading.Event(), threading.Event(), []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: disturbed.append(context))

    @tool
    def block() -> None:
        started.set()
        release.wait(20)

    call = asyncio.create_task(block.call({}))
    await asyncio.to_thread(started.wait, 20)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    (thread,) = [each for each in threading.enumerate() if each.name == "signedin tool block"]
    release.set()
    await asyncio.to_thread(thread.join)
    await asyncio.to_thread(int)  # the loop has taken what the thread left for it
    assert disturbed == []


async def test_a_toolbox_finds_its_tools():
    box = Toolbox([book])
    assert box.get("book") is book
    assert box.get("cook") is None
    assert (await box.call("book", {"city": "Oslo"})).text == "Oslo 1 None"


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        ([book], "there is no tool 'cook'; this session's tools are: book"),
        ([], "there is no tool 'cook'; this session has no tools"),
    ],
)
async def test_an_unknown_tool_is_an_error_that_names_the_known_ones(tools, text):
    result = await Toolbox(tools).call("cook", {})
    assert result == ToolResult((TextContent(text),), error=True)


class Clerk:
    @tool
    def serve(self) -> None: ...


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ([book, book], "there are two tools of the name 'book'"),
        ([len], "<built-in function len> is not a tool; decorate the function with @tool"),
        (
            [Clerk.serve],
            "tool 'serve' is a method; give it from an object, not from a class",
        ),
    ],
)
def test_a_toolbox_takes_only_callable_tools_of_different_names(tools, message):
    with pytest.raises(InvalidOptionError) as caught:
        Toolbox(tools)
    assert str(caught.value) == message
