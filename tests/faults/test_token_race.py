"""Single-use refresh tokens, shared by processes that race, and by processes that are killed."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from signedin.accounts.store import CredentialStore
from signedin.model.errors import AuthRequiredError
from support import refreshing
from support.issuer import Issuer, Killer, Login

PROCESSES = 8
EXPIRIES = 200
KILLS = 60


def start(folder: Path, url: str, first: int, rounds: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, refreshing.__file__, folder, "login", url, str(first), str(rounds)]
    return subprocess.Popen([str(word) for word in program], stderr=subprocess.PIPE)


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def sign_in(store: CredentialStore[Login], login: Login) -> None:
    async with store.locked("login") as credential:
        await credential.write(login)


@pytest.mark.timeout(240)
async def test_processes_that_race_refresh_each_expiry_once(tmp_path: Path) -> None:
    store = CredentialStore(Login, tmp_path)
    with Issuer() as issuer:
        await sign_in(store, issuer.current)
        processes = [start(tmp_path, issuer.url, 1, EXPIRIES) for _ in range(PROCESSES)]
        complaints = [process.communicate()[1].decode() for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES, complaints
        assert issuer.refused == []
        assert issuer.refreshes == EXPIRIES
        assert await store.read("login") == issuer.current == Login("token-200", 200)
    assert modes_in(tmp_path) == {"login.json": 0o600, "login.lock": 0o600}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_killed_refresh_loses_a_login_only_if_the_server_had_replaced_it(
    tmp_path: Path, seed: int
) -> None:
    store = CredentialStore(Login, tmp_path)
    survived = lost = 0
    with Issuer() as issuer:
        await sign_in(store, issuer.current)
        issuer.kill_clients(Killer(Random(seed), spared=lambda pid: pid == os.getpid()))
        for _ in range(KILLS // 2):
            process = start(tmp_path, issuer.url, issuer.current.generation + 1, 1000)
            assert process.communicate()[1] == b""
            assert process.returncode == -9
            kept = await store.read("login")
            assert kept is not None
            replaced = kept.refresh_token != issuer.current.refresh_token
            wanted = issuer.current.generation + 1
            # That these get through shows that the dead process left no lock behind.
            refreshed = refreshing.refresh_until(store, "login", issuer.url, wanted)
            if not replaced:
                assert await refreshed == issuer.current
                survived += 1
                continue
            with pytest.raises(AuthRequiredError, match="never finished, so the server may"):
                await refreshed
            assert kept.generation == issuer.current.generation - 1
            await sign_in(store, issuer.current)
            lost += 1
    assert survived
    assert lost  # otherwise no process was killed at the point that cannot be made safe
    assert len(issuer.refused) == lost
