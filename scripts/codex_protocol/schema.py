"""The schema a codex binary prints, cut down to what the surface file names."""

import json
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

SURFACE = Path(__file__).parent.parent / "codex_protocol_surface.toml"
_BUNDLE = "codex_app_server_protocol.schemas.json"


class GenerationError(Exception):
    """There is no schema to read, or it has something there is no rule for."""


@dataclass(frozen=True)
class Group:
    """One generated module and the methods it serves.

    Attributes:
        apart: Whether its notifications have a table of their own, since turns do without them.
    """

    name: str
    doc: str
    requests: tuple[str, ...] = ()
    notifications: tuple[str, ...] = ()
    server_requests: tuple[str, ...] = ()
    apart: bool = False


@dataclass(frozen=True)
class Surface:
    """What is generated; see the comments of the surface file."""

    groups: tuple[Group, ...]
    results: dict[str, str]
    identity: frozenset[str]
    variants: frozenset[str]
    opaque: frozenset[str]
    omit: tuple[str, ...]

    @classmethod
    def load(cls, path: Path = SURFACE) -> "Surface":
        """Reads the surface file."""
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        types = data["types"]
        groups = [{k: _frozen(v) for k, v in group.items()} for group in data["groups"]]
        return cls(
            groups=tuple(Group(**group) for group in groups),
            results=data["results"],
            identity=frozenset(types["identity"]),
            variants=frozenset(types["variants"]),
            opaque=frozenset(types["opaque"]),
            omit=tuple(types["omit"]),
        )


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


@dataclass
class Protocol:
    """All definitions of one codex version, with the method lists of each direction.

    A method maps to the name of its params definition, or to None when it has no params.
    """

    version: str
    definitions: dict[str, Schema]
    requests: dict[str, str | None] = field(init=False)
    notifications: dict[str, str | None] = field(init=False)
    server_requests: dict[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        self.requests = self._methods("ClientRequest")
        self.notifications = self._methods("ServerNotification")
        self.server_requests = self._methods("ServerRequest")

    def _methods(self, union: str) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for variant in self.definitions[union]["oneOf"]:
            properties = variant["properties"]
            found[properties["method"]["enum"][0]] = next(refs(properties.get("params", {})), None)
        return found

    def prune(self, surface: Surface) -> None:
        """Replaces opaque definitions by plain objects and drops the omitted fields."""
        for name in surface.opaque & self.definitions.keys():
            self.definitions[name] = {"type": "object"}
        for path in surface.omit:
            owner, _, wire = path.partition(".")
            self.definitions.get(owner, {}).get("properties", {}).pop(wire, None)


def load(binary: Path) -> Protocol:
    """Asks a codex binary for its version and its schema, experimental parts included."""
    version = _run(binary, "--version").strip()
    with tempfile.TemporaryDirectory() as folder:
        _run(binary, "app-server", "generate-json-schema", "--experimental", "--out", folder)
        bundle = json.loads(Path(folder, _BUNDLE).read_text(encoding="utf-8"))
    definitions: dict[str, Schema] = bundle["definitions"]
    current = definitions.pop("v2")
    return Protocol(version, {**definitions, **current})


def _run(binary: Path, *arguments: str) -> str:
    command = [str(binary), *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
    except OSError as error:
        raise GenerationError(f"{binary} cannot be run: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise GenerationError(f"{' '.join(command)} failed: {error.stderr.strip()}") from error
    return done.stdout


def refs(schema: object) -> Iterator[str]:
    """The names of the definitions that a schema refers to, in order."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for value in schema.values():
            yield from refs(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from refs(value)


def reachable(definitions: dict[str, Schema], roots: Iterable[str]) -> set[str]:
    """All definitions that `roots` need, themselves included."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(refs(definitions[name]))
    return seen
