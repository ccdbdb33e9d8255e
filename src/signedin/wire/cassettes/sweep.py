"""The last look at a cassette before it is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from signedin.model.errors import CassetteError
from signedin.model.redact import know_variables, redact_json
from signedin.wire.cassettes.roles import home_folder, user_pattern


def check_swept(path: Path, lines: Sequence[bytes]) -> None:
    """Refuses a cassette that has a secret, the user's name or the home folder in it.

    Raises:
        CassetteError: One has; the message names the line and shows no secret.
    """
    know_variables(os.environ)
    home, user = home_folder(), user_pattern()
    for number, line in enumerate(lines, 1):
        text = line.decode()
        found = [
            what
            for what, is_in in (
                ("a credential", redact_json(line) != line),
                ("the home folder", bool(home) and f"{home}/" in f"{text}/"),
                ("the name of the user", user is not None and user.search(text) is not None),
            )
            if is_in
        ]
        if found:
            raise CassetteError(
                f"the cassette {path} is not written: line {number} would have {found[0]} in it; "
                "record with another prompt, in another folder or with another account"
            )
