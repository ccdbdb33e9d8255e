"""Runs the rows of a batch on the workers of a Dask cluster."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from signedin.jobs.batch.runner import Executor
from signedin.model.errors import InvalidOptionError
from signedin.model.extras import from_extra
from signedin.model.options import TurnOptions

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient


class DaskExecutor:
    """Runs rows on the workers of a Dask cluster, each with a client of its own.

    A worker answers as many rows at once as it has threads, with the accounts of its machine.
    signedin has to be installed there and on the scheduler's machine, in this version.

    Args:
        address: Of the scheduler, such as ``tcp://10.0.0.1:8786``.
        per_account: How many rows run at once for one account, in all batches on the cluster that
            give the same number.

    Raises:
        InvalidOptionError: A value cannot be used.
    """

    def __init__(self, address: str, *, per_account: int = 8) -> None:
        given = cast("object", per_account)
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise InvalidOptionError(f"per_account must be a whole number from 1, not {given!r}")
        self._address = address
        self._per_account = per_account

    @asynccontextmanager
    async def serving(
        self, client: AsyncClient, options: TurnOptions, journal: Path
    ) -> AsyncGenerator[Executor]:
        """Prepares the workers; afterwards they end what they are still doing.

        Args:
            client: Each worker gets one like it.
            options: What its turns are asked for.
            journal: The file whose rows they answer.

        Raises:
            MissingExtraError: Dask is not installed.
            InvalidOptionError: A value cannot be sent to workers.
            SignedinError: There is no such cluster, or its workers cannot make the client.
        """
        with from_extra("batch", "DaskExecutor"):
            from signedin.jobs.batch import dask_rows  # noqa: PLC0415 - half a second

        sealed = dask_rows.sealed(client, options)
        # The same in a later run: a run that was killed has left its plugin on the workers.
        name = f"signedin-{hashlib.sha256(str(journal).encode()).hexdigest()[:16]}"
        async with (
            dask_rows.connected(self._address) as cluster,
            dask_rows.prepared(cluster, name, sealed, self._per_account) as rows,
        ):
            yield rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"
