"""The background loop behind everything that is offered without `await`."""

import asyncio
import gc
import signal
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from signedin import SignedinError
from signedin.runtime import background_loop


async def _identity() -> int:
    return id(asyncio.get_running_loop())


def test_one_loop_for_all_calls_and_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        loops = set(pool.map(lambda _: background_loop.call(_identity), range(32)))
    assert len(loops) == 1
    assert len([t for t in threading.enumerate() if t.name == "signedin"]) == 1


def test_results_and_errors_come_back() -> None:
    async def fail() -> None:
        raise ZeroDivisionError("inside")

    async def cancel_itself() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ZeroDivisionError, match="inside"):
        background_loop.call(fail)
    with pytest.raises(CancelledError):
        background_loop.call(cancel_itself)


def test_an_interrupted_call_cleans_up_before_it_raises() -> None:
    steps: list[str] = []
    started = threading.Event()

    async def work() -> None:
        steps.append("started")
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    main = threading.get_ident()

    def interrupt() -> None:
        started.wait(10)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        background_loop.call(work)
    thread.join()
    assert steps == ["started", "cleaned up"]


def test_a_call_inside_the_loop_is_refused() -> None:
    async def nested() -> int:
        return background_loop.call(_identity)

    with pytest.raises(SignedinError, match="a blocking call was made from an async callback"):
        background_loop.call(nested)


def test_nothing_that_is_raised_ends_the_loop() -> None:
    async def fail(error: BaseException) -> None:
        raise error

    async def fail_in_a_task(error: BaseException) -> None:
        await asyncio.create_task(fail(error))

    for error in (SystemExit(3), KeyboardInterrupt()):
        for work in (fail, fail_in_a_task):
            with pytest.raises(type(error)):
                background_loop.call(lambda work=work, error=error: work(error))
    test_one_loop_for_all_calls_and_threads()


def test_what_is_collected_in_the_loop_is_cleaned_up_there() -> None:
    done = threading.Event()

    async def free() -> None:
        done.set()

    async def collect() -> None:
        background_loop.clean_up(free)

    background_loop.call(collect)
    assert done.wait(10)


def test_what_nobody_holds_is_closed() -> None:
    class Owner:
        pass

    closed = threading.Event()

    async def close() -> None:
        closed.set()

    background_loop.call(_identity)
    owner = Owner()
    background_loop.close_with(owner, close)
    gc.collect()
    assert not closed.is_set()
    del owner
    gc.collect()
    assert closed.wait(10)
