"""What differs from run to run and from machine to machine: it is recorded by its role.

A role is written ``<kind:number>`` in place of the text, such as ``<uuid:3>`` or ``<cwd:1>``. On
replay a role has the value of this run as soon as that is known: what we send again names it, and
until then it has one that is made up. Text that begins like a role has an underscore more in the
recording: ``<_uuid:3>`` was said as ``<uuid:3>``.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import cast

import msgspec

from signedin import __version__
from signedin.model.redact import MASK

_TEXTS = "uuid|port|cwd|tmp|home|user|email|account|iso|host|signedin"
_LIKE_A_ROLE = rf"(?=_*(?:{_TEXTS}|request|seconds|milliseconds):)"
_ESCAPED = re.compile(f"<{_LIKE_A_ROLE}")
_ROLE = re.compile(rf"<(?:({_TEXTS}):([^<>\s]*)>|_{_LIKE_A_ROLE})")
"""A role with its kind and number, or neither: the beginning of text that only looks like one."""

_REQUEST = re.compile(r'"(<request:\d+>)"')
_NUMBER = re.compile(r'"<(seconds|milliseconds):(-?[\d.]+)>"')
_NUMBERED = re.compile(r"<([a-z]+):(\d+)>")
_PART = re.compile(r'("(?:[^"\\]++|\\.)*+")|(?<=[:\[,])(?:1\d{9}(?:\.\d+)?|1\d{12})(?=[,}\]])')
"""A string in JSON, or a number that may be a time."""

_ISO = re.compile(r"\b20\d\d-[01]\d-[0-3]\dT[\d:]{8}(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
_PORT = r"\d{2,5}\b(?:/[A-Za-z0-9_-]{16,}(?=[/\"\s]|$))?"
"""A port, with the token that the address of a server of ours may begin with."""

_BEGINNING = r"(?:\b(?<!\\)|(?<=\\[nrt]))"
"""Of a word. A text may be JSON, in which the letter of an escape is not of the word."""

_FORMS = (
    ("uuid", re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)),
    ("port", re.compile(rf"(?:(?<=127\.0\.0\.1:)|(?<=localhost:)){_PORT}")),
    ("tmp", re.compile(r"/[^\s\"'():\\<>]+/node_modules\b")),
    ("email", re.compile(_BEGINNING + r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-zA-Z]{2,}\b")),
    ("account", re.compile(r"\b(?:user|org|acct|proj)[-_][A-Za-z0-9]{12,}\b")),
)
_FITS = {
    "uuid": r"[0-9A-Fa-f-]{36}",
    "port": _PORT,
    "email": r"[^\s@\"]+@[^\s@\"]+",
    "account": r"[A-Za-z]+[-_][A-Za-z0-9]{12,}",
    "iso": _ISO.pattern,
    "cwd": r"[^\0]+",
    "tmp": r"[^\0\"]+",
    "user": r"[\w.-]+",
    "host": r"[\w.-]+",
    "signedin": r"[\w.+-]+",
}
_SHARED = "/tmp"  # noqa: S108 - nothing is written there
_DAYS = 40 * 86400.0
"""Times this near to now are of this run, and numbers are times."""

_NOBODY = {"root", "user", "users", "admin", "ubuntu", "runner", "agent", "node", "app", "test"}
"""Names of accounts that are words elsewhere, and identify nobody."""


def without_numbers(recorded: str) -> str:
    """Returns what is the same in recordings of the same."""
    return _NUMBERED.sub(r"<\1:>", recorded)


def user_name() -> str:
    """Returns the name of the user, empty if it identifies nobody."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return ""
    return "" if len(name) < 3 or name.lower() in _NOBODY else name


def home_folder() -> str:
    """Returns the user's home, empty if that is the root of the system."""
    home = str(Path.home())
    return "" if len(home) < 3 else home


class Roles:
    """The roles of one cassette, and their values in this run.

    Args:
        begun: Unix seconds when the recording, or this replay of it, began.
        before: What was recorded before; numbers begin after those in it.

    Attributes:
        exchanged: Of the last message that matched, each role that has got the value of another
            one, with that, although nothing of it has been shown yet; see `make_up`.
    """

    def __init__(self, begun: float, before: str = "") -> None:
        self._begun = begun
        self._numbers: dict[str, int] = {}
        for kind, number in _NUMBERED.findall(before):
            self._numbers[kind] = max(self._numbers.get(kind, 0), int(number))
        self._values: dict[str, str] = {}
        self._requests: dict[str, object] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._sent: set[str] = set()
        self._folders = _folders()
        self._cwds: list[str] = []
        self._mark = token_hex(8)
        self.exchanged: Mapping[str, str] = {}

    def learn_cwd(self, folder: str) -> None:
        """Records a working directory by its role from now on."""
        if len(folder) > 1 and ("cwd", folder) not in self._names:
            self._name("cwd", folder)
            self._cwds = sorted((*self._cwds, folder), key=len, reverse=True)

    def own(self, kind: str) -> str:
        """Returns a role for a message that is yet to be hidden; what agents write is none."""
        return f"<{self._mark}{self._numbered(kind)}>"

    def hide(self, encoded: str) -> str:
        """Returns JSON of this run with roles in place of what belongs to it only."""
        return _PART.sub(self._hidden_part, encoded).replace(self._mark, "")

    def hide_text(self, text: str) -> str:
        """Does what `hide` does with text."""
        text = _ESCAPED.sub("<_", text)
        for folder in self._cwds:
            text = text.replace(folder, self._names["cwd", folder])
        for kind, pattern in self._folders:
            text = pattern.sub(lambda found, kind=kind: self._named(kind, found[0]), text)
        for kind, pattern in _FORMS:
            text = pattern.sub(lambda found, kind=kind: self._named(kind, found[0]), text)
        return _ISO.sub(self._hidden_iso, text)

    def show(self, text: str) -> str:
        """Returns recorded JSON with the values of this run in place of roles."""
        if "<" not in text:
            return text
        text = _REQUEST.sub(lambda found: _json(self._requests.get(found[1], 0)), text)
        text = _NUMBER.sub(self._shown_number, text)
        return _ROLE.sub(lambda found: _escaped(self._value(found[0])) if found[1] else "<", text)

    def match(self, recorded: object, sent: object) -> bool:
        """Whether a message of this run is the recorded one; then its roles have their values."""
        match = _Match(self._values, self._sent, self._requests)
        if not match.fits(recorded, sent):
            return False
        self.exchanged = match.exchanged
        self._values.update({**match.found, **match.swapped})
        self._sent.update(match.found)
        self._requests.update(match.requests)
        return True

    def make_up(self, role: str, like: str) -> None:
        """Gives a role, whose value another one has got, what would have been made up for that."""
        self._values[role] = self._made_up(*like[1:-1].split(":"))

    def _named(self, kind: str, value: str) -> str:
        return self._names.get((kind, value)) or self._name(kind, value)

    def _name(self, kind: str, value: str) -> str:
        role = self._names[kind, value] = f"<{self._numbered(kind)}>"
        return role

    def _numbered(self, kind: str) -> str:
        if kind in {"home", "user", "host", "signedin"}:
            return f"{kind}:"
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind}:{self._numbers[kind]}"

    def _hidden_part(self, found: re.Match[str]) -> str:
        string = found[1]
        if string is None:
            return self._hidden_epoch(found)
        text = msgspec.json.decode(string, type=str) if "\\" in string else string[1:-1]
        hidden = self.hide_text(text)
        return string if hidden == text else _json(hidden)

    def _hidden_iso(self, found: re.Match[str]) -> str:
        try:
            moment = datetime.fromisoformat(found[0])
        except ValueError:  # such as the 30th of February
            return found[0]
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        offset = moment.timestamp() - self._begun
        return found[0] if abs(offset) > _DAYS else f"<iso:{offset:+.3f}>"

    def _hidden_epoch(self, found: re.Match[str]) -> str:
        milliseconds = len(found[0].partition(".")[0]) == 13
        scale = 1000 if milliseconds else 1
        offset = float(found[0]) - self._begun * scale
        if abs(offset) > _DAYS * scale:
            return found[0]
        unit = "milliseconds" if milliseconds else "seconds"
        return f'"<{unit}:{offset:.0f}>"' if "." not in found[0] else f'"<{unit}:{offset:.3f}>"'

    def _shown_number(self, found: re.Match[str]) -> str:
        scale = 1000 if found[1] == "milliseconds" else 1
        moment = self._begun * scale + float(found[2])
        return f"{moment:.3f}" if "." in found[2] else f"{moment:.0f}"

    def _value(self, role: str) -> str:
        if role not in self._values:
            kind, _, rest = role[1:-1].partition(":")
            self._values[role] = self._made_up(kind, rest)
        return self._values[role]

    def _made_up(self, kind: str, rest: str) -> str:
        if kind == "iso":
            moment = datetime.fromtimestamp(self._begun + float(rest), UTC)
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        number = int(rest) if rest.isdecimal() else 0
        return {
            "uuid": f"00000000-0000-7000-8000-{number:012x}",
            "port": str(1000 + number),
            "email": f"user{number}@example.com",
            "account": f"user-{number:016d}",
            "cwd": str(Path.cwd()),
            "tmp": os.path.join(tempfile.gettempdir(), f"replayed-{number}"),  # noqa: PTH118
            "home": home_folder() or "/",
            "user": user_name() or "user",
            "host": "host",
            "signedin": __version__,
        }[kind]


class _Match:
    """One attempt to see a message of this run in a recorded one."""

    def __init__(
        self, values: Mapping[str, str], sent: set[str], requests: Mapping[str, object]
    ) -> None:
        self._values = values
        self._sent = sent
        self._requests = requests
        self.found: dict[str, str] = {}
        self.swapped: dict[str, str] = {}
        self.exchanged: dict[str, str] = {}
        self.requests: dict[str, object] = {}

    def fits(self, recorded: object, sent: object) -> bool:
        if isinstance(recorded, dict) and isinstance(sent, dict):
            return self._members_fit(
                cast("dict[str, object]", recorded), cast("dict[str, object]", sent)
            )
        if isinstance(recorded, list) and isinstance(sent, list):
            ours, theirs = cast("list[object]", recorded), cast("list[object]", sent)
            return len(ours) == len(theirs) and all(map(self.fits, ours, theirs))
        if not isinstance(recorded, str):
            return recorded == sent and isinstance(recorded, bool) == isinstance(sent, bool)
        if recorded.startswith("<request:"):
            return self._request_fits(recorded, sent)
        if _NUMBER.fullmatch(f'"{recorded}"'):
            return isinstance(sent, int | float)
        return isinstance(sent, str) and self._text_fits(recorded, sent)

    def _members_fit(self, recorded: dict[str, object], sent: dict[str, object]) -> bool:
        if len(recorded) != len(sent):
            return False
        for key, value in recorded.items():
            if key in sent:
                name = key
            else:  # a path as a key
                name = next(
                    (each for each in sent if "<" in key and self._text_fits(key, each)), None
                )
            if name is None or not self.fits(value, sent[name]):
                return False
        return True

    def _request_fits(self, role: str, sent: object) -> bool:
        known = self._requests.get(role, self.requests.get(role))
        if known is not None:
            return known == sent
        self.requests[role] = sent
        return True

    def _text_fits(self, recorded: str, sent: str) -> bool:
        if recorded == sent and "<_" not in recorded:
            return True  # also a role that `signedin replay` says again as it was recorded
        if "<" not in recorded and MASK not in recorded:
            return False
        groups: dict[str, str] = {}
        parts: list[str] = []
        end = 0
        for found in _ROLE.finditer(recorded):
            role = self._pattern(found, groups) if found[1] else "<"
            parts += (_literal(recorded[end : found.start()]), role)
            end = found.end()
        parts.append(_literal(recorded[end:]))
        whole = re.fullmatch("".join(parts), sent, re.DOTALL)
        if whole is None:
            return False
        return all(self._bind(role, whole[group]) for role, group in groups.items())

    def _pattern(self, found: re.Match[str], groups: dict[str, str]) -> str:
        role, kind = found[0], found[1]
        if role in groups:
            return f"(?P={groups[role]})"
        known = self.found.get(role) or (self._values[role] if role in self._sent else None)
        if known is not None:  # also because patterns of many paths take long to fail
            return re.escape(known)
        groups[role] = f"role{len(groups)}"
        if kind == "home":
            return f"(?P<{groups[role]}>{re.escape(home_folder() or '/')})"
        return f"(?P<{groups[role]}>{_FITS[kind]})"

    def _bind(self, role: str, value: str) -> bool:
        """Gives a role its value, unless this run has shown that it is another.

        Of conversations that began in the same way, each may be any of the recorded ones until its
        first own message.
        """
        known = self.found.get(role, self._values.get(role))
        if known == value:
            self.found[role] = value
            return True
        if known is not None and (role in self._sent or role in self.found):
            return False
        other = next((each for each, its in self._values.items() if its == value), None)
        is_free = other not in self._sent and other not in self.found
        if known is None:
            if other is not None and is_free and role.startswith("<uuid:"):
                self.exchanged[role] = other
        elif other is not None:
            if not is_free:
                return False
            self.swapped[other] = known  # until the first own message of that one
        elif role.startswith("<uuid:"):
            return False
        self.found[role] = value
        return True


def _literal(text: str) -> str:
    """A pattern for recorded text; what was masked in it may be anything."""
    return re.escape(text).replace(re.escape(MASK), ".*")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _escaped(value: str) -> str:
    return _json(value)[1:-1]


def _folders() -> Sequence[tuple[str, re.Pattern[str]]]:
    found: list[tuple[str, re.Pattern[str]]] = []
    end = r"(?=[/\\\"'\s:,;)]|$)"
    shared = re.escape(tempfile.gettempdir())
    below = r"/[^/\\\"'\s:,;)<>]+"
    # That folder alone says nothing; other systems give each user one of an own name.
    found.append(("tmp", re.compile(shared + (below if shared == _SHARED else f"(?:{below})?"))))
    if home := home_folder():
        found.append(("home", re.compile(re.escape(home) + end)))
    host = socket.gethostname()
    if len(host) > 3 and host != "localhost":
        found.append(("host", re.compile(rf"(?<![\w<]){re.escape(host)}(?![\w>])")))
    if user := user_pattern():
        found.append(("user", user))
    return found


def user_pattern() -> re.Pattern[str] | None:
    """Returns what finds the name of the user, ``None`` if it identifies nobody."""
    user = user_name()
    return re.compile(rf"(?<![\w<]){re.escape(user)}(?![\w>])") if user else None
