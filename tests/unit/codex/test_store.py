"""What is read of Codex's store."""

import pytest

from signedin.providers.codex.app_server.store import read_history
from signedin.wire.rpc_errors import INTERNAL_ERROR, InternalRpcError


class Server:
    """Has one thread open, of which nothing is stored."""

    threads = frozenset({"open"})

    async def call(self, method: str, params: object, result_type: object) -> object:
        reason = "failed to read session metadata /s/r.jsonl: rollout at /s/r.jsonl is empty"
        raise InternalRpcError(INTERNAL_ERROR, reason)


async def test_a_thread_that_is_just_being_stored_has_no_history() -> None:
    assert await read_history(Server(), "open") == []
    with pytest.raises(InternalRpcError, match="is empty"):  # it is damaged
        await read_history(Server(), "stored")
