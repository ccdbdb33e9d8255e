"""Masking of secrets in text that may reach a log, a repr or an error message.

A secret is known by its value (see `know`), by its form (a vendor's prefix, the shape of a JWT) or
by the name it is assigned to, never by its length alone: git hashes, UUIDs, thread ids and command
line flags such as ``--ask-for-approval`` stay readable.

The author of an error also chooses what is masked here, so every pattern takes time in proportion
to the text: each begins with letters that are searched for, and no two attempts read the same run
of characters. `benchmarks/measurements/masking.py` shows it.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from threading import Lock

MASK = "***"

LONGEST_MESSAGE = 1024 * 1024
"""Characters of a message that are shown, and bytes of JSON in which secrets are replaced; to
replace the most that fit into it takes a second."""

LARGEST_JSON = 8 * 1024 * 1024
"""Bytes of JSON that are looked through, which takes less."""

_MARGIN = 64 * 1024
"""Characters that are read beyond the end of what is shown, so that no secret is cut in two."""

_SHORTEST = 8
_SHORTEST_WORD = 16
"""Characters of a value that is sought; a plain word, such as ``loopback``, has to be longer."""

_MOST_KNOWN = 1000
"""Values that are known at a time; each takes some 50 ns per kilobyte of text."""

_FORMS = (
    ("sk-", r"[A-Za-z0-9_-]{8,}"),  # OpenAI, Anthropic, OpenRouter; Claude's OAuth tokens
    ("csk-", r"[A-Za-z0-9]{20,}"),  # Cerebras
    ("gh", r"[pousr]_[A-Za-z0-9_]{16,}"),
    ("github_pat_", r"[A-Za-z0-9_]{16,}"),
    ("glpat-", r"[A-Za-z0-9_-]{20,}"),
    ("AIza", r"[A-Za-z0-9_-]{20,}"),
    ("AQ.", r"[A-Za-z0-9_-]{20,}"),
    ("ya29.", r"[A-Za-z0-9._-]{8,}"),
    ("1//", r"[A-Za-z0-9_-]{20,}"),
    ("rt_", r"[A-Za-z0-9._-]{8,}"),  # Codex's refresh tokens
    ("at-", r"[A-Za-z0-9]{16,}"),  # Codex's personal access tokens
    ("xox", r"[abprs]-[A-Za-z0-9-]{10,}"),
    ("AKIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("ASIA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("gsk_", r"[A-Za-z0-9]{20,}"),  # Groq
    ("xai-", r"[A-Za-z0-9_-]{20,}"),
    ("pplx-", r"[A-Za-z0-9]{20,}"),
    ("fw_", r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}"),  # Fireworks
    ("hf_", r"[A-Za-z0-9]{20,}"),
    ("nvapi-", r"[A-Za-z0-9_-]{20,}"),
    ("r8_", r"[A-Za-z0-9]{20,}"),  # Replicate
    ("tgp_v1_", r"[A-Za-z0-9_-]{20,}"),  # Together
    ("-----BEGIN ", r"(?:[A-Z]+ ){0,2}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\[nr])*+"),
)
"""How secrets begin, and which characters follow."""

_STARTS = tuple(start for start, _ in _FORMS)

_JWT = r"""eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{6,}+
    (\.[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]*+)?  # a run that is not one is read completely, too
"""
_AUTHORIZATION = r"(?i)\b((?:bearer|basic)\s++)(?=[^\s\"',;]*\d)[A-Za-z0-9._~+/=-]{8,}"
_FLAG = r"""((?<![\w-])--[a-z-]*(?:api-key|auth-token|access-token)\s++)
    (?!-)(?=[^\s"',;]*[\d_-])[^\s"',;]{8,}+"""
_ASSIGNED = r"""(
        (?: TOKEN | SECRET | PASSWORD | PASSPHRASE | ACCESS_KEY
          | [Aa][Pp][Ii][_-]?[Kk][Ee][Yy]
          | (?<![A-Za-z])(?: (?:[Aa]ccess|[Rr]efresh|[Ii]d)[_-]?[Tt]oken
                           | [Cc]lient[_-]?[Ss]ecret | password | passphrase )
        )
        \\?["']?\s*+[=:]\s*+\\?["']?
    )
    (?!(?:\d+|null|None|true|false|undefined)\b)
    (?: (?<=["'])[^"'\n]{6,}+ | [^\s"',;}\])]{6,}+ )"""
_NAMES = ("TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "ACCESS_KEY")
_WORDS = (
    *("apikey", "accesstoken", "refreshtoken", "idtoken", "authtoken"),
    *("clientsecret", "password", "passphrase"),
)
"""One of these names, or of these words without regard to case, ``_`` and ``-``, is in every text
that `_FLAG` or `_ASSIGNED` finds something in. To look for them takes a tenth of the time."""

_SECRET_NAME = re.compile(
    r"(?:TOKEN|SECRET|PASSWORD|PASSPHRASE|API_?KEY|ACCESS_KEY|SECRET_KEY|_PAT)\Z"
)
_SECRET_HEADER = re.compile(r"(?i)auth|key|token|secret|cookie")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_LEFT_OUT = b'"left out: %d bytes, too many to take the secrets out"'
_JSON = re.compile(r'"((?:[^"\\]++|\\.?)*+)("(?:\s*+(:))?)?|[^"]++', re.DOTALL)
"""A string, its end, and whether it is a key; or what is between strings."""


class _KnownValues:
    """The values that are secrets, for the whole process: the author of an error knows no client.

    Attributes:
        forms: What to look for, the longest first, since a value may be a part of another. Replaced
            as a whole, so that it is read without the lock.
    """

    def __init__(self) -> None:
        self.forms: tuple[str, ...] = ()
        self._values: dict[str, None] = {}
        self._lock = Lock()

    def add(self, values: Iterable[str]) -> None:
        with self._lock:
            news = False
            for value in values:
                news |= value not in self._values
                self._values.pop(value, None)
                self._values[value] = None
            if not news:
                return
            for oldest in list(self._values)[:-_MOST_KNOWN]:
                del self._values[oldest]
            forms = {form for value in self._values for form in _forms_of(value)}
            self.forms = tuple(sorted(forms, key=len, reverse=True))


_KNOWN = _KnownValues()


def know(values: Iterable[str | None]) -> None:
    """Registers values to be masked from now on, in every form in which they may be quoted.

    Values of fewer than 8 characters, and plain words and numbers of fewer than 16, are left out:
    they would be found where they mean something else. Of more than 1,000 values those go first
    that have not been named for the longest time.
    """
    if stripped := {value.strip() for value in values if value}:
        _KNOWN.add(filter(_is_telling, stripped))


def know_variables(variables: Mapping[str, str | None]) -> None:
    """Does what `know` does for the variables whose names say that they hold a secret."""
    know(value for name, value in variables.items() if _SECRET_NAME.search(name.upper()))


def know_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Does what `know` does for the headers whose names say that they hold a secret."""
    held = [value for name, value in headers if _SECRET_HEADER.search(name)]
    know([*held, *(value.split()[-1] for value in held if value.strip())])  # after "Bearer"


def redact(text: str) -> str:
    """Returns ``text`` with every secret it recognises replaced by ``***``."""
    for value in _KNOWN.forms:
        if value in text:
            text = _without(value, text)
    for start, form in _forms():
        if start in text:
            text = form.sub(MASK, text)
    jwt, authorization, flag, assigned = _patterns()
    if "eyJ" in text:
        text = jwt.sub(lambda found: MASK if found[1] else found[0], text)
    lowered = text.lower()
    if "bearer" in lowered or "basic" in lowered:
        text = authorization.sub(rf"\1{MASK}", text)
    joined = lowered.replace("_", "").replace("-", "")
    if any(name in text for name in _NAMES) or any(word in joined for word in _WORDS):
        text = assigned.sub(rf"\1{MASK}", flag.sub(rf"\1{MASK}", text))
    return text


def _without(value: str, text: str) -> str:
    """Masks a known value; of one with a vendor's prefix, also the rest of a longer secret."""
    if value.startswith(_STARTS):
        return re.sub(rf"{re.escape(value)}[A-Za-z0-9_-]*+", MASK, text)
    return text.replace(value, MASK)


def redact_message(text: str) -> str:
    """Does what `redact` does, and says how much is left out of a text that is too long to read."""
    if len(text) <= LONGEST_MESSAGE:
        return redact(text)
    # What is cut off is longer than what a secret that begins before it may lack at its end.
    shown = redact(text[: LONGEST_MESSAGE + _MARGIN])[:-_MARGIN]
    return f"{shown} [… of {len(text)} characters the rest is left out]"


def redact_json(text: bytes) -> bytes:
    """Returns JSON with every secret in its strings replaced by ``***``.

    It need not be valid: numbers and nesting are not examined, and all but strings stays as it is.
    JSON that is too large for that is replaced by a text that says so.
    """
    if len(text) > LARGEST_JSON:
        return _LEFT_OUT % len(text)
    decoded = text.decode("utf-8", "replace")
    readable = _unescaped(decoded) if "\\" in decoded else decoded
    if redact(readable) == readable:
        return text
    if len(text) > LONGEST_MESSAGE:
        return _LEFT_OUT % len(text)
    return _masked_json(decoded).encode("utf-8", "replace")


def _masked_json(text: str) -> str:
    from json import dumps  # noqa: PLC0415 - secrets are rare

    parts: list[str] = []
    name = ""
    for found in _JSON.finditer(text):
        whole, content, end, is_key = found[0], found[1], found[2] or "", found[3]
        if content is None:
            parts.append(redact(whole))
            name = name if whole.isspace() else ""
            continue
        value = _unescaped(content)
        masked = _masked_value(name, value)
        parts.append(whole if masked == value else dumps(masked, ensure_ascii=False)[:-1] + end)
        name = value if is_key else ""
    return "".join(parts)


def _masked_value(name: str, value: str) -> str:
    """Masks a value whose name says that it is a secret."""
    named = f'"{name}":'
    masked = redact(named + value)
    return masked.removeprefix(named) if masked.startswith(named) else redact(value)


def _unescaped(text: str) -> str:
    plain = _ESCAPE.sub(
        lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED.get(found[2], found[2]), text
    )
    # Two escapes make one character beyond U+FFFF.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_telling(value: str) -> bool:
    plain = value.isalpha() or value.isdigit()
    return len(value) >= (_SHORTEST_WORD if plain else _SHORTEST)


def _forms_of(value: str) -> Iterable[str]:
    """As it is, in a URL and in JSON; what a server says of a request may come from each."""
    yield value
    if re.search(r"[^A-Za-z0-9_.~-]", value):
        from json import dumps  # noqa: PLC0415 - most keys have nothing to escape
        from urllib.parse import quote  # noqa: PLC0415

        yield from (quote(value, safe=""), quote(value, safe="!'()*"))
        yield from (dumps(value)[1:-1], dumps(value, ensure_ascii=False)[1:-1])
        yield dumps(value)[1:-1].replace("/", r"\/")


@cache
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """How secrets begin, and the patterns of the whole of them."""
    return tuple(
        (start, re.compile(rf"{re.escape(start)}(?<![A-Za-z0-9]{re.escape(start)}){rest}"))
        for start, rest in _FORMS
    )


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """The other patterns, compiled when the first text is masked: that takes 1 ms."""
    return (
        re.compile(_JWT, re.VERBOSE),
        re.compile(_AUTHORIZATION),
        re.compile(_FLAG, re.VERBOSE),
        re.compile(_ASSIGNED, re.VERBOSE),
    )
