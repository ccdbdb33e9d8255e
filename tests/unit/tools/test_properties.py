"""Tools over arbitrary types of parameters and arbitrary arguments."""

import msgspec
from hypothesis import given, settings, strategies as st
from jsonschema import Draft7Validator

from signedin.tools.tool import read_docstring, tool
from support.kinds import KINDS

NAMES = ["first", "second", "third"]


@settings(max_examples=150)
@given(st.lists(KINDS, min_size=1, max_size=3), st.data())
async def test_a_function_receives_the_values_that_the_model_meant(kinds, data):
    received = {}

    def function(first, second="absent", third="absent"):
        received.update(first=first, second=second, third=third)

    function.__annotations__ = dict.fromkeys(NAMES, int) | {
        name: kind.type for name, kind in zip(NAMES, kinds, strict=False)
    }
    made = tool(function)
    values = {name: data.draw(kind.values) for name, kind in zip(NAMES, kinds, strict=False)}
    arguments = msgspec.json.decode(msgspec.json.encode(values))
    Draft7Validator.check_schema(made.schema)
    Draft7Validator(made.schema).validate(arguments)
    Draft7Validator(made.portable_schema).validate(arguments)
    result = await made.call(arguments)
    assert not result.error
    assert received == {"second": "absent", "third": "absent", **values}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*NAMES, "key"]), inner),
    max_leaves=8,
)


@given(st.lists(KINDS, min_size=3, max_size=3), JSON)
async def test_no_arguments_make_a_call_raise(kinds, arguments):
    def function(first, second=None, third=None) -> str:
        return "done"

    function.__annotations__ = {name: kind.type for name, kind in zip(NAMES, kinds, strict=True)}
    result = await tool(function).call(arguments)
    if result.error:
        assert result.text.startswith("wrong arguments for function: /")
        assert result.exception is not None
    else:
        assert result.text == "done"


WORDS = st.text("abcxyz .,", min_size=1).map(lambda text: " ".join(text.split())).filter(bool)


@given(WORDS, st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), WORDS), WORDS)
def test_docstrings_are_taken_apart_as_they_were_put_together(summary, entries, returns):
    listed = "".join(f"\n        {name} (int): {text}" for name, text in entries.items())
    text = f"{summary}\n\n    Args:{listed}\n\n    Returns:\n        first: {returns}\n    "
    assert read_docstring(text) == (summary, entries)


@given(st.text())
def test_any_docstring_can_be_read(text):
    description, entries = read_docstring(text)
    assert isinstance(description, str)
    assert all(isinstance(entry, str) for entry in entries.values())
