"""Finding an agent's program, and remembering what was learned about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from signedin.accounts.files import write_private
from signedin.accounts.homes import cache_folder, make_private
from signedin.model.errors import InvalidOptionError, ProviderNotInstalledError, SignedinError
from signedin.providers.base import Installation, ProviderConfig


def locate(
    *,
    explicit: Path | None,
    variable: str,
    packaged: Callable[[], Path | None],
    command: str,
    install: str,
) -> Installation:
    """Looks for a program in the order explicit, environment variable, package, ``PATH``.

    An explicit choice that does not exist is a problem, never a reason to look further.

    Args:
        explicit: What the caller chose.
        variable: Environment variable that names the program.
        packaged: Returns the program of an installed Python package.
        command: Name on ``PATH``.
        install: The command that installs it, for error messages.
    """
    if explicit is not None:
        return _named(explicit, "argument", f"binary={str(explicit)!r}", install)
    if configured := os.environ.get(variable):
        path = Path(configured).expanduser()
        return _named(path, "environment", f"{variable}={configured}", install)
    if path := packaged():
        return Installation(path=path, origin="package")
    if found := shutil.which(command):
        return Installation(path=Path(found), origin="path")
    problem = f"no {command!r} on PATH"
    return Installation(path=None, origin="none", problem=problem, install=install)


def found_program(
    config: ProviderConfig, find: Callable[[ProviderConfig], Installation]
) -> Installation:
    """Returns what ``find`` does; while a cassette is replayed, the program that was recorded."""
    if config.replays:
        name = config.recall("program", str, str)
        return Installation(path=Path(name), origin="argument")
    found = find(config)
    config.recall("program", str, lambda: found.path.name if found.path else "")
    return found


def require(provider: str, installation: Installation) -> Path:
    """Returns the program's path.

    Raises:
        ProviderNotInstalledError: It is not there; the message has the command that installs it.
    """
    if installation.path is None or installation.problem:
        raise ProviderNotInstalledError(
            provider, installation.problem or "not found", installation.install
        )
    return installation.path


@contextmanager
def starting(provider: str) -> Generator[None]:
    """Reports that the system does not start a program as the options demand.

    Raises:
        InvalidOptionError: It refused, such as for a variable that is too large.
    """
    try:
        yield
    except SignedinError:  # also a TimeoutExceededError, which is an OSError
        raise
    except OSError as error:
        raise InvalidOptionError(f"{provider} could not be started: {error}") from error


def with_known_version(installation: Installation) -> Installation:
    """Adds the version a program reported earlier, if it has not changed since."""
    if installation.usable is None:
        return installation
    return msgspec.structs.replace(installation, version=known_version(installation.usable))


def known_version(path: Path) -> str | None:
    """Returns the version a program reported earlier, if it has not changed since."""
    facts = _read_cache().get(str(path))
    return facts.version if facts and facts.fingerprint == _fingerprint(path) else None


def remember_version(path: Path, version: str) -> None:
    """Stores a program's version for as long as its modification time and size stay the same."""
    if known_version(path) != version:
        _store(path, version)


def first_report(path: Path, version: str) -> bool:
    """Returns whether nobody has been warned of this version of a program, and stores that."""
    facts = _read_cache().get(str(path))
    if facts and facts.reported and facts.version == version:
        return False
    _store(path, version, reported=True)
    return True


class _Facts(msgspec.Struct, frozen=True):
    fingerprint: tuple[int, int]
    version: str
    reported: bool = False


def _store(path: Path, version: str, *, reported: bool = False) -> None:
    try:
        known = {**_read_cache(), str(path): _Facts(_fingerprint(path), version, reported)}
        _write_cache(known)
    except (OSError, InvalidOptionError):
        # A read-only home costs a probe the next time, nothing else; nor has a replay a program.
        return


def _named(path: Path, origin: str, setting: str, install: str) -> Installation:
    if path.is_file() and os.access(path, os.X_OK):
        return Installation(path=path, origin=origin)  # pyright: ignore[reportArgumentType]
    what = "is not an executable file" if path.exists() else "does not exist"
    return Installation(
        path=path,
        origin=origin,  # pyright: ignore[reportArgumentType]
        problem=f"{setting} {what}",
        install=install,
    )


def _fingerprint(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _cache_file() -> Path:
    return cache_folder() / "programs.json"


def _read_cache() -> dict[str, _Facts]:
    try:
        return msgspec.json.decode(_cache_file().read_bytes(), type=dict[str, _Facts])
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def _write_cache(facts: dict[str, _Facts]) -> None:
    target = _cache_file()
    make_private(target.parent)
    write_private(target, msgspec.json.encode(facts))
