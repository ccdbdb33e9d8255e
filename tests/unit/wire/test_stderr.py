"""The tail of stderr: bounded, readable."""

import pytest

from signedin.wire.process import TAIL_LIMIT, Tail


def test_keeps_the_end_and_no_more() -> None:
    tail = Tail()
    for number in range(100_000):
        tail.feed(b"line %d\n" % number)
    everything = "".join(f"line {number}\n" for number in range(100_000))
    assert tail.text == everything[-TAIL_LIMIT:]
    tail.feed(b"x" * (3 * TAIL_LIMIT) + b"end")
    assert tail.text == "x" * (TAIL_LIMIT - 3) + "end"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"\x1b[31mERROR\x1b[0m codex: \x1b[1;38;5;4mno\x1b[m", "ERROR codex: no"),
        (b"\x1b[?25lhidden cursor\x1b[2K", "hidden cursor"),
        (b"\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "text link"),
        (b"caf\xc3\xa9 \xff", "caf\xe9 \ufffd"),
        (b"a plain [31m stays", "a plain [31m stays"),
    ],
)
def test_is_text_without_terminal_codes(written: bytes, text: str) -> None:
    tail = Tail()
    for byte in written:
        tail.feed(bytes([byte]))
    assert tail.text == text
