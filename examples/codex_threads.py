"""The typed Codex client: two turns at once in one process, a copy of a thread, and their store."""

import asyncio

from signedin.providers.codex import AsyncCodex, AsyncThread, protocol


async def ask(thread: AsyncThread, prompt: str) -> None:
    """Streams one turn and prints how long it took."""
    turn = await thread.turn(prompt, effort="low")
    async for notification in turn.stream():
        match notification.params:
            case protocol.ItemStartedNotification(item=item):
                print(f"[{prompt}] {item.type} begins")
            case protocol.AgentMessageDeltaNotification(delta=piece):
                print(f"[{prompt}] {piece}")
    result = turn.result
    print(f"[{prompt}] {result.status} in {result.duration} s: {result.final_response}")


async def main() -> None:
    """Runs, copies and lists threads."""
    async with AsyncCodex(cwd=".") as codex:
        print("codex", codex.metadata.version)
        threads = [await codex.thread_start(sandbox="read-only") for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for thread, prompt in zip(threads, ["What is here?", "What is missing?"], strict=True):
                group.create_task(ask(thread, prompt))
        copy = await codex.thread_fork(threads[0].id)
        await copy.set_name("the copy")
        print((await copy.run("And in one word?")).final_response)
        for stored in (await codex.thread_list(model_providers=[], limit=3)).data:
            print(stored.id, stored.name or stored.preview)


asyncio.run(main())
