"""Refreshes a login with a store, as a program of its own: FOLDER NAME URL FIRST ROUNDS."""

import asyncio
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from signedin.accounts.store import CredentialStore
from signedin.model.errors import AuthRequiredError
from support.issuer import Asked, Login


def refresher(url: str) -> Callable[[Login], Awaitable[Login]]:
    """Asks an issuer for the login that follows."""

    def ask(login: Login) -> Login:
        body = msgspec.json.encode(Asked(login.refresh_token, os.getpid()))
        request = urllib.request.Request(url, data=body)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return msgspec.json.decode(answer.read(), type=Login)
        except urllib.error.HTTPError as error:
            error.close()
            raise AuthRequiredError("the issuer refused the refresh token") from None

    return lambda login: asyncio.to_thread(ask, login)


async def refresh_until(
    store: CredentialStore[Login], name: str, url: str, generation: int
) -> Login:
    """Returns a login that is not older than `generation`."""
    return await store.refreshed(name, lambda login: login.generation >= generation, refresher(url))


async def _main() -> None:
    folder, name, url, first, rounds = sys.argv[1:]
    store = CredentialStore(Login, Path(folder))
    for generation in range(int(first), int(first) + int(rounds)):
        login = await refresh_until(store, name, url, generation)
        assert login.generation >= generation


if __name__ == "__main__":
    asyncio.run(_main())
