"""Markdown that arrives in pieces."""

import pytest
from hypothesis import given, strategies as st

from signedin.cli.markdown import MarkdownStream

DOCUMENT = """# Title

A paragraph of
two lines.

- one
- two

```python
first = 1

second = 2
```

~~~
``` no end of it

~~~

Last words"""
BLOCKS = [
    "# Title\n\n",
    "A paragraph of\ntwo lines.\n\n",
    "- one\n- two\n\n",
    "```python\nfirst = 1\n\nsecond = 2\n```\n\n",
    "~~~\n``` no end of it\n\n~~~\n\n",
]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_blocks_are_released_when_they_are_whole_and_never_cut(size):
    stream = MarkdownStream()
    pieces = [DOCUMENT[start : start + size] for start in range(0, len(DOCUMENT), size)]
    released = [block for piece in pieces if (block := stream.feed(piece))]
    assert released == BLOCKS
    assert stream.preview() == "Last words"
    assert stream.finish(DOCUMENT) == "Last words"


@given(st.lists(st.text(alphabet="a`~ \n", max_size=8)))
def test_nothing_is_lost_or_said_twice(pieces):
    stream = MarkdownStream()
    released = "".join(stream.feed(piece) for piece in pieces)
    assert released + stream.finish("".join(pieces)) == "".join(pieces)
    assert stream.rest() == ""


def test_what_did_not_come_in_pieces_comes_with_the_whole():
    stream = MarkdownStream()
    assert stream.feed("Half ") == ""
    assert stream.finish("Half a sentence.") == "Half a sentence."
    assert MarkdownStream().finish("All at once.") == "All at once."


def test_what_was_cut_off_is_there_at_the_end():
    stream = MarkdownStream()
    stream.feed("```\ncode")
    assert stream.rest() == "```\ncode"
    assert stream.rest() == ""


def test_the_preview_of_a_long_code_block_is_still_code():
    stream = MarkdownStream()
    stream.feed("```python\n" + "line\n" * 300)
    assert stream.preview() == "```python\n" + "line\n" * 200
