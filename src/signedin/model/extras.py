"""The optional parts of the package: which extra brings what is missing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from signedin.model.errors import MissingExtraError


def install_command(extra: str) -> str:
    """Returns the command that installs an extra of this package."""
    return f'pip install "signedin[{extra}]"'


@contextmanager
def from_extra(extra: str, part: str) -> Generator[None]:
    """Says which extra to install if an import in the ``with`` block fails.

    Args:
        extra: Its name.
        part: What it is needed for, such as ``"the command line"``.

    Raises:
        MissingExtraError: A library of the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.partition(".")[0] == "signedin":
            raise
        raise MissingExtraError(part, missing, install_command(extra)) from error
