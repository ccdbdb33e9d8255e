"""Tokens of our own, kept in files or in the system's keyring."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import msgspec
import pytest

from signedin.accounts.store import (
    CredentialNotWrittenError,
    CredentialStore,
    CredentialStoreError,
)
from signedin.accounts.vaults import KeyringVault
from signedin.model.errors import AuthRequiredError, InvalidOptionError, SignedinError


class Token(msgspec.Struct, frozen=True):
    value: str


SECRET = Token("sk-planted-0123456789")
NEXT = Token("sk-planted-next-9876543210")


@pytest.fixture
def store(tmp_path: Path) -> CredentialStore[Token]:
    return CredentialStore(Token, tmp_path / "chatgpt")


async def put(store: CredentialStore[Token], token: Token = SECRET) -> None:
    async with store.locked("work") as credential:
        await credential.write(token)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_next(token: Token) -> bool:
    return token == NEXT


async def give_next(token: Token) -> Token:
    assert token == SECRET
    return NEXT


def raising(error: Exception) -> Callable[[Token], Awaitable[Token]]:
    async def refresh(token: Token) -> Token:
        raise error

    return refresh


async def test_what_is_written_is_read_by_another_store(
    store: CredentialStore[Token], tmp_path: Path
) -> None:
    assert await store.read("work") is None
    await put(store)
    assert await CredentialStore(Token, tmp_path / "chatgpt").read("work") == SECRET
    async with store.locked("work") as credential:
        assert await credential.read() == SECRET
        assert await credential.delete() is True
        assert await credential.delete() is False
        assert await credential.read() is None


async def test_files_are_private_and_nothing_else_is_left(
    store: CredentialStore[Token], tmp_path: Path
) -> None:
    folder = tmp_path / "chatgpt"
    await put(store)
    (folder / ".work.json.killed").write_text("half of an earlier wri")
    await put(store, NEXT)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"work.json": 0o600, "work.lock": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["", '{"credential":{"value":"sk-planted-01', "[]", "\udcff"])
async def test_a_damaged_file_is_an_error_and_stays(
    store: CredentialStore[Token], tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "chatgpt" / "work.json"
    await put(store)
    path.write_text(damage, errors="surrogateescape")
    before = path.read_bytes()
    for read in (lambda: store.read("work"), lambda: store.refreshed("work", is_next, give_next)):
        with pytest.raises(CredentialStoreError) as raised:
            await read()
        assert str(raised.value) == (
            f"the login in {path} cannot be read: it is damaged, or was written by another "
            "version. It is left as it is; restore it, or sign in again"
        )
    assert path.read_bytes() == before


async def test_a_fresh_credential_is_not_refreshed(store: CredentialStore[Token]) -> None:
    await put(store, NEXT)
    assert await store.refreshed("work", is_next, raising(AssertionError())) == NEXT


async def test_many_tasks_refresh_once(store: CredentialStore[Token]) -> None:
    await put(store)
    calls = 0

    async def refresh(token: Token) -> Token:
        nonlocal calls
        calls += 1
        return await give_next(token)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.refreshed("work", is_next, refresh)) for _ in range(50)]
    assert {task.result() for task in tasks} == {NEXT}
    assert calls == 1


async def test_a_cancelled_refresh_is_written_all_the_same(store: CredentialStore[Token]) -> None:
    await put(store)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def refresh(token: Token) -> Token:
        asked.set()
        await answer.wait()
        return NEXT

    task = asyncio.create_task(store.refreshed("work", is_next, refresh))
    await asked.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(answer.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.read("work") == NEXT


async def test_waiting_for_the_lock_can_be_cancelled(store: CredentialStore[Token]) -> None:
    await put(store)
    async with store.locked("work"):
        waiting = asyncio.create_task(store.refreshed("work", is_next, give_next))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, 0.1)
    assert await store.refreshed("work", is_next, give_next) == NEXT


async def test_nobody_is_signed_in(store: CredentialStore[Token], tmp_path: Path) -> None:
    with pytest.raises(AuthRequiredError) as raised:
        await store.refreshed("work", is_next, give_next)
    path = tmp_path / "chatgpt" / "work.json"
    assert str(raised.value) == f"not signed in: there is no login in {path}"


async def test_a_refusal_keeps_the_login_and_its_own_words(store: CredentialStore[Token]) -> None:
    await put(store)
    for _ in range(2):
        with pytest.raises(AuthRequiredError, match=r"^it has expired$"):
            await store.refreshed("work", is_next, raising(AuthRequiredError("it has expired")))
    assert await store.read("work") == SECRET


async def test_a_refusal_after_an_unknown_end_says_so(store: CredentialStore[Token]) -> None:
    await put(store)
    began = time.strftime("%Y-%m-%d %H:%M")
    with pytest.raises(ConnectionResetError):
        await store.refreshed("work", is_next, raising(ConnectionResetError()))
    assert await store.read("work") == SECRET
    with pytest.raises(AuthRequiredError) as raised:
        await store.refreshed("work", is_next, raising(AuthRequiredError("it was used already")))
    said = str(raised.value)
    assert said.startswith(f"it was used already. A refresh that began at {began[:13]}")
    assert said.endswith(
        "never finished, so the server may have replaced this login by one that was not "
        "stored; sign in again"
    )
    assert await store.refreshed("work", is_next, give_next) == NEXT
    with pytest.raises(AuthRequiredError, match=r"^no$"):
        await store.refreshed("work", lambda _: False, raising(AuthRequiredError("no")))


@pytest.mark.parametrize("name", ["", "../work", "a/b", ".hidden", "x" * 200])
async def test_names_cannot_leave_the_folder(store: CredentialStore[Token], name: str) -> None:
    with pytest.raises(InvalidOptionError):
        await store.read(name)
    with pytest.raises(InvalidOptionError):
        async with store.locked(name):
            pass


async def test_a_full_disk_keeps_the_old_credential(
    store: CredentialStore[Token], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(CredentialNotWrittenError, match="No space left"):
            await put(store, NEXT)
    assert await store.read("work") == SECRET


async def test_the_keyring_instead_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[tuple[str, str], str] = {}
    keyring = ModuleType("keyring")
    keyring.get_password = lambda service, name: kept.get((service, name))
    keyring.set_password = lambda service, name, value: kept.update({(service, name): value})
    keyring.delete_password = lambda service, name: kept.pop((service, name))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    store = CredentialStore(Token, tmp_path, vault=KeyringVault())
    await put(store)
    assert json.loads(kept["signedin", "work"])["credential"] == {"value": SECRET.value}
    assert names_in(tmp_path) == ["work.lock"]
    assert await store.refreshed("work", is_next, give_next) == NEXT
    async with store.locked("work") as credential:
        assert await credential.delete() is True
        assert await credential.delete() is False
    with pytest.raises(AuthRequiredError, match="in the system's keyring, service 'signedin'"):
        await store.refreshed("work", is_next, give_next)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("No backend was available.", "No backend was available"), ("", "KeyringLocked")],
)
async def test_a_keyring_that_refuses_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    class KeyringError(Exception): ...

    class KeyringLocked(KeyringError): ...  # noqa: N818 - as in keyring

    def refuse(*_: str) -> None:
        raise KeyringLocked(text)

    keyring = ModuleType("keyring")
    keyring.errors = SimpleNamespace(KeyringError=KeyringError)
    keyring.get_password = keyring.set_password = keyring.delete_password = refuse
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    store = CredentialStore(Token, tmp_path, vault=KeyringVault())
    where = "the system's keyring, service 'signedin', account 'work'"
    what_to_do = f"{reason}. Fix that, or set SIGNEDIN_STORE=file"
    with pytest.raises(CredentialStoreError) as unread:
        await store.read("work")
    assert unread.value.message == f"the login in {where} cannot be read: {what_to_do}"
    with pytest.raises(CredentialNotWrittenError) as unwritten:
        await put(store)
    assert unwritten.value.message == f"{where} cannot be written: {what_to_do}"
    keyring.get_password = lambda *_: "stored"
    async with store.locked("work") as credential:
        with pytest.raises(CredentialNotWrittenError, match="SIGNEDIN_STORE=file"):
            await credential.delete()


def test_without_keyring_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SignedinError, match=r'pip install "signedin\[keyring\]"'):
        KeyringVault()
