"""JSON lines: the same bytes give the same messages, however they are cut and whatever they are."""

import itertools
import json
import re

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin.model.errors import ProtocolError
from signedin.wire.jsonl import BadLine, JsonLines, LineSplitter, encode_line


def split(chunks: list[bytes]) -> list[bytes]:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    return lines + splitter.close()


def read(data: bytes) -> list[object]:
    lines = JsonLines(dict[str, object])
    return [message for _, message in lines.feed(data) + lines.close()]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.binary() | st.text("a{}\n\r ").map(str.encode), st.lists(st.integers(min_value=0)))
def test_any_cut_gives_the_lines_of_the_whole(data: bytes, places: list[int]) -> None:
    expected = [line.strip() for line in data.split(b"\n") if line.strip()]
    assert split(cut(data, places)) == expected


@given(
    st.lists(st.dictionaries(st.text(), st.none() | st.integers(-(2**53), 2**53) | st.text())),
    st.lists(st.integers(min_value=0)),
)
def test_what_is_encoded_is_read_back(messages: list[dict[str, object]], places: list[int]) -> None:
    data = b"".join(encode_line(message) for message in messages)
    assert data.count(b"\n") == len(messages)
    lines = JsonLines(dict[str, object])
    received = [pair for chunk in cut(data, places) for pair in lines.feed(chunk)]
    assert [message for _, message in received] == messages
    assert lines.close() == []


@given(st.binary())
def test_no_bytes_raise(data: bytes) -> None:
    for message in read(data):
        assert isinstance(message, dict | BadLine)


def test_a_huge_line_in_small_chunks_arrives_whole() -> None:
    line = b'{"text":"' + b"x" * 20_000_000 + b'"}'
    pieces = [line[start : start + 4096] for start in range(0, len(line), 4096)]
    assert split([*pieces, b"\n", b'{"next":1}\n']) == [line, b'{"next":1}']


def test_a_line_without_end_is_an_error_and_frees_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signedin.wire.jsonl.LONGEST_LINE", 1 << 20)
    splitter = LineSplitter()
    assert splitter.feed(b"x\n" + bytes(1 << 19)) == [b"x"]
    with pytest.raises(ProtocolError, match="received more than 1 MiB without a line ending"):
        splitter.feed(bytes((1 << 19) + 1))
    assert splitter.close() == []


def test_line_ends_blank_lines_and_the_unfinished_last_line() -> None:
    assert split([b'{"a":1}\r', b'\n\r\n  \n\n{"b":2}\n{"c"', b":3}"]) == [
        b'{"a":1}',
        b'{"b":2}',
        b'{"c":3}',
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"Loading model...", "invalid character"),
        (b'{"a":1', "truncated"),
        (b"[1,2]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'{"a":"\xff"}', "invalid start byte"),
        (b'{"a":1}{"b":2}', "trailing"),
        (b"[" * 100_000, "object"),
        (b'{"a":' * 100_000, "recursion"),
    ],
)
def test_a_bad_line_is_a_value_and_the_next_one_is_read(line: bytes, reason: str) -> None:
    bad, good = read(line + b'\n{"ok":true}\n')
    assert isinstance(bad, BadLine)
    assert bad.data == line
    assert reason in bad.reason
    assert good == {"ok": True}


class Envelope(msgspec.Struct):
    params: msgspec.Raw


def test_invalid_utf8_is_found_in_members_that_stay_undecoded() -> None:
    [(_, message)] = JsonLines(Envelope).feed(b'{"params":{"text":"\xff"}}\n')
    assert isinstance(message, BadLine)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (r"half \ud83d", "half \ufffd"),
        (r"\ude00 half", "\ufffd half"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\uD83D\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (r"\"\ud83d\"", '"\ufffd"'),
    ],
)
def test_half_a_character_costs_only_that_character(written: str, read_as: str) -> None:
    [(line, message)] = JsonLines(Envelope).feed(f'{{"params":"{written}"}}\n'.encode())
    assert isinstance(message, Envelope)
    assert msgspec.json.decode(message.params) == read_as
    assert msgspec.json.decode(line) == {"params": read_as}


class Prompt(msgspec.Struct, rename="camel", omit_defaults=True):
    thread_id: str
    input_texts: list[str]
    schema: msgspec.Raw = msgspec.Raw(b"{}")
    model: str | None = None


def test_lone_surrogates_never_reach_the_wire() -> None:
    line = encode_line(Prompt("t\ud800", ["a\udfffb", "\ud83d\ude00"], msgspec.Raw(b'{"x":1}')))
    assert json.loads(line) == {
        "threadId": "t\ufffd",
        "inputTexts": ["a\ufffdb", "\U0001f600"],
        "schema": {"x": 1},
    }


SURROGATES = re.compile("([\ud800-\udbff])([\udc00-\udfff])|[\ud800-\udfff]")


def repaired(match: re.Match[str]) -> str:
    if not match[1]:
        return "\ufffd"
    return chr(0x10000 + (ord(match[1]) - 0xD800) * 0x400 + ord(match[2]) - 0xDC00)


@given(st.text(st.characters() | st.sampled_from("\ud800\udbff\udc00\udfff\\")))
def test_any_text_can_be_sent_and_loses_only_halves_of_characters(text: str) -> None:
    expected = SURROGATES.sub(repaired, text)
    assert json.loads(encode_line({"a": [text]})) == {"a": [expected]}
    assert json.loads(encode_line({text: 1})) == {expected: 1}


def test_text_of_a_subclass_is_text() -> None:
    class Name(str):
        __slots__ = ()

    assert json.loads(encode_line({"a": [Name("half \ud83d")]})) == {"a": ["half \ufffd"]}
