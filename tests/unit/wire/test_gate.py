"""The gate: closed only while somebody has enough and nobody waits."""

import asyncio

from hypothesis import given, strategies as st

from signedin.wire.gate import Gate


def test_is_open_at_first_and_closed_by_a_block() -> None:
    gate = Gate()
    assert gate.is_open
    gate.block("slow")
    assert not gate.is_open
    gate.unblock("slow")
    assert gate.is_open


def test_one_of_two_blocks_keeps_it_closed() -> None:
    gate = Gate()
    gate.block("a")
    gate.block("b")
    gate.unblock("a")
    assert not gate.is_open
    gate.unblock("b")
    assert gate.is_open


def test_a_demand_outweighs_blocks_until_it_is_satisfied() -> None:
    gate = Gate()
    gate.block("slow")
    gate.demand("starving")
    assert gate.is_open
    gate.satisfy("starving")
    assert not gate.is_open


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["block", "unblock", "demand", "satisfy"]), st.sampled_from("abc")
        )
    )
)
def test_repeating_counts_once_and_taking_back_nothing_is_nothing(
    steps: list[tuple[str, str]],
) -> None:
    gate = Gate()
    blocks: set[str] = set()
    demands: set[str] = set()
    for step, key in steps:
        getattr(gate, step)(key)
        keys = blocks if step in {"block", "unblock"} else demands
        (keys.add if step in {"block", "demand"} else keys.discard)(key)
        assert gate.is_open == (not blocks or bool(demands))


async def test_waiters_go_on_when_it_opens() -> None:
    gate = Gate()
    await gate.opened()
    gate.block("slow")
    waiters = [asyncio.create_task(gate.opened()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(waiter.done() for waiter in waiters)
    gate.demand("starving")
    await asyncio.gather(*waiters)


async def test_a_waiter_stays_if_it_closes_again_at_once() -> None:
    gate = Gate()
    gate.block("slow")
    waiter = asyncio.create_task(gate.opened())
    await asyncio.sleep(0)
    gate.unblock("slow")
    gate.block("slow")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiter.done()
    gate.unblock("slow")
    await waiter
