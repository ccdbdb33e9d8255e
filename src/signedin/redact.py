"""Masking of secrets in text that may reach a log, a repr or an error message.

Patterns are anchored on what makes a string a credential (a vendor's prefix, the shape of a JWT,
the name it is assigned to), never on length alone: git hashes, UUIDs, thread ids and command line
flags such as ``--ask-for-approval`` stay readable.
"""

import re
from functools import cache
from typing import cast

MASK = "***"

_ESCAPE = re.compile(r"\\[^u]")

_PREFIXED = r"""(?<![A-Za-z0-9])(?:
        sk-[A-Za-z0-9_-]{8,}                       # OpenAI and Anthropic keys, Claude OAuth tokens
      | (?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{16,}
      | AIza[A-Za-z0-9_-]{20,} | AQ\.[A-Za-z0-9_-]{20,}
      | ya29\.[A-Za-z0-9._-]{8,} | 1//[A-Za-z0-9_-]{20,}
      | rt_[A-Za-z0-9._-]{8,} | at-[A-Za-z0-9]{16,}    # Codex refresh and personal access tokens
      | xox[abprs]-[A-Za-z0-9-]{10,}
      | eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*  # JSON web tokens
    )"""
_AUTHORIZATION = r"(?i)\b(bearer|basic)(\s+)(?=[^\s\"',;]*\d)[A-Za-z0-9._~+/=-]{8,}"
_ASSIGNED = r"""(
        (?: \b[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSPHRASE|API_?KEY|ACCESS_KEY)
          | \b(?:access_token|refresh_token|id_token|api_?key|client_secret|password|passphrase)
        )
        ["']?\s*[=:]\s*["']?
    )
    (?!\d+\b)(?!null\b|None\b|true\b|false\b)[^\s"',;}\])]{6,}"""


def redact(text: str) -> str:
    """Returns ``text`` with every credential it recognises replaced by ``***``."""
    prefixed, authorization, assigned = _patterns()
    text = prefixed.sub(MASK, text)
    text = authorization.sub(rf"\1\2{MASK}", text)
    return assigned.sub(rf"\1{MASK}", text)


def redact_json(text: bytes) -> bytes:
    """Returns JSON with every credential in its strings replaced by ``***``."""
    readable = _ESCAPE.sub(" ", text.decode("utf-8", "replace"))
    if redact(readable) == readable:
        return text
    import msgspec  # noqa: PLC0415 - 10 ms, and secrets are rare

    return msgspec.json.encode(_redacted(msgspec.json.decode(text)))


def _redacted(value: object, name: str = "") -> object:
    match value:
        case str():
            # What a value is called may tell that it is one.
            return redact(f"{name}={value}").partition("=")[2]
        case list():
            return [_redacted(each) for each in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {key: _redacted(each, key) for key, each in members.items()}
        case _:
            return value


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """The patterns, compiled when the first text is masked: that takes 1 ms."""
    return (
        re.compile(_PREFIXED, re.VERBOSE),
        re.compile(_AUTHORIZATION),
        re.compile(_ASSIGNED, re.VERBOSE),
    )
