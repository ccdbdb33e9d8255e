"""Signing in: on the terminal, and pending logins of those who have none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from signedin.model.errors import AuthRequiredError, CommandExecutionError, TimeoutExceededError
from signedin.wire.terminal import run_in_terminal

SIGN_IN_SECONDS = 900.0
"""How long a user may take; device codes are valid for as long."""


async def login_in_terminal(
    provider: str, program: Path, arguments: Sequence[str], env: Mapping[str, str]
) -> None:
    """Runs the vendor's own login on the terminal.

    Raises:
        CommandExecutionError: It failed.
    """
    code = await run_in_terminal([str(program), *arguments], env=env)
    if code:
        command = " ".join([provider, *arguments])
        raise CommandExecutionError(
            f"{command} ended with exit code {code}; the sign-in failed", returncode=code
        )


class Flow(Protocol):
    """One way to sign in.

    Attributes:
        url: The page to open, ``None`` if there is nothing to do.
        user_code: What to type there, for the method ``device``.
        wants_code: The page shows a code, which `submit` takes.
    """

    url: str | None
    user_code: str | None
    wants_code: bool

    async def begin(self) -> None:
        """Prepares what the user needs."""
        ...

    async def run(self) -> None:
        """Waits for the user and signs in."""
        ...

    async def submit(self, code: str, /) -> None:
        """Takes the code that the page shows, or the address at which the browser ended."""
        ...

    async def aclose(self) -> None:
        """Frees what `begin` took."""
        ...


class PendingLogin:
    """A pending login; see `AsyncLogin`.

    Args:
        provider: The vendor's name.
        flow: The way to sign in; it has begun.
        on_end: Called when it has ended.

    Attributes:
        url: See `Flow`.
        user_code: See `Flow`.
        wants_code: See `Flow`.
    """

    def __init__(self, provider: str, flow: Flow, on_end: Callable[[PendingLogin], None]) -> None:
        self.url = flow.url
        self.user_code = flow.user_code
        self.wants_code = flow.wants_code
        self._provider = provider
        self._flow = flow
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)
        self._on_end = on_end

    async def submit_code(self, code: str) -> None:
        """Takes what the page shows, or the address at which a browser elsewhere ended.

        Raises:
            InvalidOptionError: It is not the answer to this sign-in, which continues.
            AuthRequiredError: It is, and the sign-in failed.
            UnsupportedOptionError: The page shows no code.
        """
        await self._flow.submit(code)

    async def wait(self, timeout: float | None = None) -> None:
        """Waits until the user has signed in; see `AsyncLogin.wait`."""
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            raise TimeoutExceededError(
                f"sign-in not completed within {timeout:g} s; the attempt continues: wait again or "
                "cancel it"
            )
        if self._task.cancelled():
            raise AuthRequiredError(f"sign-in to {self._provider} failed: the login was cancelled")
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
                f"sign-in to {self._provider} not completed within {SIGN_IN_SECONDS / 60:g} "
                "minutes; begin again"
            ) from None
        finally:
            await self._flow.aclose()


class PendingLogins:
    """The pending logins of one client.

    Args:
        provider: The vendor's name.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._open: set[PendingLogin] = set()

    async def start(self, flow: Flow) -> PendingLogin:
        """Begins a login."""
        try:
            await flow.begin()
            login = PendingLogin(self._provider, flow, self._open.discard)
        except BaseException:
            await flow.aclose()
            raise
        self._open.add(login)
        return login

    async def aclose(self) -> None:
        """Cancels all pending logins."""
        async with asyncio.TaskGroup() as group:
            for login in self._open:
                group.create_task(login.cancel())
