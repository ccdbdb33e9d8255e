"""Follows what an agent does, item by item."""

import asyncio

from signedin import AsyncClient, CommandItem, FileChangeItem, MessageItem


async def main() -> None:
    """Prints the items of one turn as they stream."""
    async with (
        AsyncClient("codex", cwd=".", permissions="workspace-write") as client,
        client.stream("Add a docstring to main.py") as turn,
    ):
        async for item in turn.items():
            match item:
                case MessageItem():
                    async for piece in item.stream():
                        print(piece, end="", flush=True)
                    print()
                case CommandItem():
                    await item.complete()
                    print(f"$ {item.command} -> {item.exit_code}")
                case FileChangeItem():
                    await item.complete()
                    print("changed", *(change.path for change in item.changes))
        print((await turn.result()).usage)


asyncio.run(main())
