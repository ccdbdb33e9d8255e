"""Values of attributes: masked, and never too long."""

from __future__ import annotations

import msgspec

from signedin.model.redact import redact_json, redact_message

_LONGEST_WORD = 256
_LONGEST_TEXT = 32_768
"""Characters that are reported of a name, and of anything that was said or done."""

_VENDORS = {"chatgpt": "openai", "claude": "anthropic", "codex": "openai", "gemini": "gcp.gemini"}


def vendor_of(provider: str) -> str:
    """Returns the convention's word for who answers, the provider's own where it has none."""
    return _VENDORS.get(provider, provider.removeprefix("acp:"))


def word(text: str) -> str:
    """Returns a name that an agent may have chosen."""
    return redact_message(text)[:_LONGEST_WORD]


def cut(text: str) -> str:
    """Returns the beginning of a text, masked."""
    masked = redact_message(text)
    return masked if len(masked) <= _LONGEST_TEXT else f"{masked[:_LONGEST_TEXT]}…"


def as_json(value: object) -> str:
    """Returns a value as JSON, masked; what is too long is a JSON text of its beginning."""
    encoded = redact_json(msgspec.json.encode(value, enc_hook=repr)).decode()
    if len(encoded) <= 2 * _LONGEST_TEXT:
        return encoded
    return msgspec.json.encode(cut(encoded)).decode()


def parts(text: str) -> list[dict[str, str]]:
    """Returns a text as the parts of a message."""
    return [{"type": "text", "content": cut(text)}]
