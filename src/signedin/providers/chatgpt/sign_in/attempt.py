"""Pending logins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from signedin.model.errors import AuthRequiredError, TimeoutExceededError

SIGN_IN_SECONDS = 900.0
"""How long a user may take; device codes are valid for as long."""


class Flow(Protocol):
    """One way to sign in."""

    url: str
    user_code: str | None

    async def begin(self) -> None:
        """Prepares what the user needs."""
        ...

    async def run(self) -> None:
        """Waits for the user and signs in."""
        ...

    async def submit(self, address: str) -> None:
        """Takes the address at which the browser ended."""
        ...

    async def aclose(self) -> None:
        """Frees what `begin` took."""
        ...


class ChatGPTSignIn:
    """A pending login; see `AsyncLogin`.

    Args:
        flow: The way to sign in; it has begun.
        on_end: Called when it has ended.

    Attributes:
        url: The page to open.
        user_code: What to type there, for the method ``device``.
        wants_code: The browser is redirected here; `submit_code` is for one elsewhere.
    """

    def __init__(self, flow: Flow, on_end: Callable[[ChatGPTSignIn], None]) -> None:
        self.url: str | None = flow.url
        self.user_code: str | None = flow.user_code
        self.wants_code = False
        self._flow = flow
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)
        self._on_end = on_end

    async def submit_code(self, code: str) -> None:
        """Takes the address at which a browser ended that cannot reach this machine.

        Raises:
            InvalidOptionError: It is not the answer to this sign-in, which continues.
            AuthRequiredError: It is, and the sign-in failed.
        """
        await self._flow.submit(code)

    async def wait(self, timeout: float | None = None) -> None:
        """Waits until the user has signed in; see `AsyncLogin.wait`."""
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            raise TimeoutExceededError(f"sign-in to chatgpt not completed within {timeout:g} s")
        if self._task.cancelled():
            raise AuthRequiredError("sign-in to chatgpt failed: the login was cancelled")
        self._task.result()

    async def cancel(self) -> None:
        """Cancels the login. Idempotent."""
        self._task.cancel()
        await asyncio.wait({self._task})
        await self._flow.aclose()  # a task that is cancelled before its first step does nothing

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # for `wait`, which may never be called
        self._on_end(self)

    async def _run(self) -> None:
        limit = asyncio.timeout(SIGN_IN_SECONDS)
        try:
            async with limit:
                await self._flow.run()
        except TimeoutError:
            if not limit.expired():
                raise
            raise AuthRequiredError(
                f"sign-in to chatgpt not completed within {SIGN_IN_SECONDS / 60:g} minutes; "
                "begin again"
            ) from None
        finally:
            await self._flow.aclose()


class PendingSignIns:
    """The pending logins of one client."""

    def __init__(self) -> None:
        self._open: set[ChatGPTSignIn] = set()

    async def start(self, flow: Flow) -> ChatGPTSignIn:
        """Begins a login."""
        try:
            await flow.begin()
            sign_in = ChatGPTSignIn(flow, self._open.discard)
        except BaseException:
            await flow.aclose()
            raise
        self._open.add(sign_in)
        return sign_in

    async def aclose(self) -> None:
        """Cancels all pending logins."""
        async with asyncio.TaskGroup() as group:
            for sign_in in self._open:
                group.create_task(sign_in.cancel())
