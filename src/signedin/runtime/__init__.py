"""What asyncio leaves to its users: cleanup, batches, a background event loop."""
