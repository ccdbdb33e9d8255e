"""Server-sent events, however they are cut and written."""

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from signedin.wire.sse import EventSplitter, ServerEvent


def split(*chunks):
    splitter = EventSplitter()
    return [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.close()


def test_an_event_has_a_name_and_data():
    assert split(b'event: delta\ndata: {"a":1}\n\n') == [ServerEvent(b"delta", b'{"a":1}')]


def test_events_are_given_as_soon_as_they_are_whole():
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2\n\nda") == [
        ServerEvent(b"", b"1"),
        ServerEvent(b"", b"2"),
    ]
    assert splitter.feed(b"ta: 3\n") == []
    assert splitter.feed(b"\n") == [ServerEvent(b"", b"3")]
    assert splitter.close() == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"data:1\n\n", ServerEvent(b"", b"1")),
        (b"data:  1\n\n", ServerEvent(b"", b" 1")),
        (b"data: one\ndata: two\n\n", ServerEvent(b"", b"one\ntwo")),
        (b"data\n\n", ServerEvent(b"", b"")),
        (b": a comment\ndata: 1\n\n", ServerEvent(b"", b"1")),
        (b"event: a\nevent: b\ndata: 1\n\n", ServerEvent(b"b", b"1")),
        (b"data: 1\nevent: late\n\n", ServerEvent(b"late", b"1")),
        (b"id: 7\nretry: 100\nevent: a\ndata: 1\n\n", ServerEvent(b"a", b"1")),
        (b"event: a\ndata: 1\ndata: 2\n\n", ServerEvent(b"a", b"1\n2")),
        (b"unknown: field\ndata: a: b\n\n", ServerEvent(b"", b"a: b")),
        (b"\xef\xbb\xbfdata: after a mark\n\n", ServerEvent(b"", b"after a mark")),
        (b"\r\ndata: 1\r\n\r\n", ServerEvent(b"", b"1")),
        (b"data: 1\r\r", ServerEvent(b"", b"1")),
        (b"\n\n\ndata: 1\n\n\n\n", ServerEvent(b"", b"1")),
        (b"data: no blank line at the end\n", ServerEvent(b"", b"no blank line at the end")),
        (b"data: no line end at all", ServerEvent(b"", b"no line end at all")),
    ],
)
def test_every_way_to_write_an_event(written, read):
    assert split(written) == [read]


@pytest.mark.parametrize("written", [b"", b"\n\n", b": ping\n\n", b"event: a\n\n", b"id: 1\n\n"])
def test_what_has_no_data_is_no_event(written):
    assert split(written) == []


def test_a_character_may_be_cut_in_two():
    whole = "data: naïve 🦊\n\n".encode()
    assert [e for n in range(len(whole)) for e in split(whole[:n], whole[n:])] == [
        ServerEvent(b"", "naïve 🦊".encode())
    ] * len(whole)


def test_a_large_event_in_small_pieces_takes_no_more_time_than_its_size():
    splitter = EventSplitter()
    piece = b"x" * 1024
    assert splitter.feed(b"data: ") == []
    for _ in range(20_000):
        assert splitter.feed(piece) == []
    [event] = splitter.feed(b"\n\n")
    assert len(event.data) == 20_000 * 1024


NAMES = st.binary(max_size=12).map(lambda b: b.translate(None, b"\r\n\0").strip(b" "))
LINES = st.lists(st.binary(max_size=40).map(lambda b: b.translate(None, b"\r\n")), min_size=1)
EVENTS = st.lists(st.builds(ServerEvent, NAMES, LINES.map(b"\n".join)), max_size=8)


@given(
    events=EVENTS,
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    comment=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_events_come_out_as_they_went_in_wherever_they_are_cut(events, end, comment, cuts):
    written = b"".join(
        (b":" + end if comment else b"")
        + b"event: "
        + event.name
        + end
        + b"".join(b"data: " + line + end for line in event.data.split(b"\n"))
        + end
        for event in events
    )
    edges = sorted({0, *(min(cut, len(written)) for cut in cuts), len(written)})
    chunks = [written[start:stop] for start, stop in pairwise(edges)]
    assert split(*chunks) == events


@given(chunks=st.lists(st.binary(max_size=60)))
def test_no_bytes_break_it(chunks):
    assert split(*chunks) == split(b"".join(chunks))
