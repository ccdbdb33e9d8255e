"""The queue between a turn's agent and its consumer."""

import asyncio

import pytest

from signedin.model.errors import TransportClosedError
from signedin.providers.shared.turn_queue import HIGH_WATER, TurnQueue
from signedin.wire.gate import Gate


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def queue(gate: Gate) -> TurnQueue[int]:
    return TurnQueue(gate)


async def test_everything_is_taken_at_once(queue: TurnQueue[int]) -> None:
    queue.put([1])
    queue.put([2, 3])
    assert await queue.take() == [1, 2, 3]


async def test_who_waits_is_woken_when_a_batch_is_whole(queue: TurnQueue[int]) -> None:
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    queue.put([1])
    await asyncio.sleep(0)
    assert not taking.done()
    queue.put([2])
    queue.wake()
    assert await taking == [1, 2]


async def test_a_call_that_comes_before_anybody_waits_is_not_lost(queue: TurnQueue[int]) -> None:
    for number in range(3):
        queue.put([number])
        queue.wake()
        assert await queue.take() == [number]
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    queue.wake()  # there is nothing
    await asyncio.sleep(0)
    assert not taking.done()
    queue.put([4])
    queue.wake()
    assert await taking == [4]


async def test_what_was_given_comes_before_the_error(queue: TurnQueue[int]) -> None:
    first = TransportClosedError("gone")
    queue.put([1])
    queue.fail(first)
    queue.fail(TransportClosedError("gone again"))
    queue.wake()
    assert await queue.take() == [1]
    for _ in range(2):
        with pytest.raises(TransportClosedError) as raised:
            await queue.take()
        assert raised.value is first


async def test_an_error_wakes_who_waits(queue: TurnQueue[int]) -> None:
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    queue.fail(TransportClosedError("gone"))
    queue.wake()
    with pytest.raises(TransportClosedError, match="gone"):
        await taking


async def test_a_slow_consumer_holds_the_giver_back(queue: TurnQueue[int], gate: Gate) -> None:
    queue.put(range(HIGH_WATER))
    queue.wake()
    assert gate.is_open
    queue.put([0])
    queue.wake()
    assert not gate.is_open
    assert len(await queue.take()) == HIGH_WATER + 1
    assert gate.is_open


async def test_who_waits_is_given_to_although_another_is_slow(
    queue: TurnQueue[int], gate: Gate
) -> None:
    other = TurnQueue[int](gate)
    other.put(range(HIGH_WATER + 1))
    other.wake()
    assert not gate.is_open
    taking = asyncio.ensure_future(queue.take())
    await asyncio.sleep(0)
    assert gate.is_open
    taking.cancel()
    await asyncio.wait({taking})
    assert not gate.is_open
    other.close()
    assert gate.is_open
