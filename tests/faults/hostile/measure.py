"""Runs agents among lures, with signedin and without, and tells what has worked."""

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from faults.hostile.evil import Evil
from faults.hostile.homes import (
    KEY,
    PROMPT,
    PROMPT_WORD,
    bare_command,
    bare_environment,
    options_for,
    trust,
)
from faults.hostile.lures import BY_NAME, LURES, Effect, Lure
from faults.hostile.repository import Bait, groups
from signedin import Client, PermissionDeniedError, SignedinError
from signedin.loopback import LoopbackModel, ModelRequest, ReadFile, Reply, Shell, WriteFile
from signedin.loopback.player import Player
from signedin.loopback.script import Refusal
from signedin.providers.registry import load_provider
from support.rows import Row

Effects: TypeAlias = dict[str, list[str]]
"""What each lure that has worked has done; `ANY` stands for what cannot be distinguished."""

ANY = "any"
ALLOWED = "acted unasked"
COMPLETED = "completed"
REFUSED = "refused"

PATIENCE = 75.0
"""Seconds for a turn; some lures make a program wait for ever."""


class Scene:
    """A model, a server that is not the user's, and a folder for homes and repositories.

    Args:
        folder: The folder, outside of what sandboxes allow to be written.
    """

    def __init__(self, folder: Path, model: "Model", evil: Evil) -> None:
        self._folder = folder
        self._model = model
        self._evil = evil
        self._made = 0

    def bait(self, lures: Iterable[Lure]) -> Bait:
        """Writes a repository."""
        return Bait(self.new_folder(), lures, self._evil)

    def new_folder(self) -> Path:
        """A new folder, for a home or a repository."""
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        return folder

    def client(self, row: Row, home: Path, **options: object) -> Client:
        """A client of a row, whose agent has this home."""
        trusted = bool(options.get("trust_project"))
        given = options_for(row.provider, self._model.url, home, trusted=trusted)
        if load_provider(row.provider).transports[row.transport].sandbox == "signedin":
            given["sandbox"] = "off"  # the sandbox must not hide what would happen without it
        return Client(
            row.provider, transport=row.transport, binary=row.binary, **{**given, **options}
        )

    def run(self, client: Client, bait: Bait, *, quiet: bool = False) -> str:
        """Runs a turn in a repository; returns how it ended, or that it was refused.

        Args:
            client: Runs it.
            bait: The repository.
            quiet: Whether the model does nothing but answer.
        """
        self._model.play(bait, quiet=quiet)
        try:
            return client.run(PROMPT, cwd=bait.cwd, timeout=PATIENCE).reason
        except PermissionDeniedError:
            return REFUSED
        except SignedinError as error:
            return f"{type(error).__name__}: {error}"

    def run_bare(self, agent: str, version: str, bait: Bait) -> None:
        """Runs a program without signedin, in a folder that its user trusts."""
        home = self.new_folder()
        provider = {"opencode": "acp:opencode", "qwen": "acp:qwen"}.get(agent, agent)
        options = options_for(provider, self._model.url, home, trusted=True)
        trust(agent, home, bait.cwd.parent)
        self._model.play(bait)
        with subprocess.Popen(
            bare_command(agent, version),
            cwd=bait.cwd,
            env=bare_environment(options["env"], bait.cwd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def bare_effects(self, agent: str, version: str) -> Effects:
        """What each lure does to a program without signedin.

        Those that can be distinguished are tried together first, the others one by one.
        """
        effects: Effects = {}
        own = [lure for lure in LURES if lure.whose in {agent, "git"}]
        foreign = [lure for lure in LURES if lure not in own]
        for lures in (own, foreign):
            apart = [lure for lure in lures if not lure.spoils and lure.effect != Effect.ALLOWS]
            for group in groups(apart):
                effects |= self._bare_effects(agent, version, group)
        unmoved = ANY in self._bare_effects(agent, version, [])
        effects.pop(ANY, None)
        for lure in own:
            if lure.name not in effects:
                alone = self._bare_effects(agent, version, [lure])
                if not unmoved and ANY in alone:
                    alone.setdefault(lure.name, []).append(ALLOWED)
                alone.pop(ANY, None)
                effects |= alone
        return effects

    def _bare_effects(self, agent: str, version: str, lures: Iterable[Lure]) -> Effects:
        bait = self.bait(lures)
        with self.watched([bait]) as effects:
            self.run_bare(agent, version, bait)
        return effects

    @contextmanager
    def watched(self, baits: Iterable[Bait], permissions: str = "read-only") -> Iterator[Effects]:
        """Fills in what works of the lures of some repositories in the meantime."""
        baits = list(baits)
        for bait in baits:
            bait.forget()
        begun, effects = self._model.mark(), {}
        self._evil.hits.clear()
        yield effects
        said = self._model.said_since(begun)
        for bait in baits:
            for name in bait.started:
                effects.setdefault(name, []).append(Effect.STARTS)
            for name in bait.found_in(said):
                effects.setdefault(name, []).append(BY_NAME[name].effect)
            if permissions != "full-access" and (
                bait.acted or (permissions == "read-only" and (bait.cwd / "inside").exists())
            ):
                effects[ANY] = [ALLOWED]
        for hit in self._evil.hits:
            did = effects.setdefault(hit.lure, [])
            did += [Effect.SENDS, *(["the key"] * hit.key), *(["the prompt"] * hit.prompt)]
        for name, did in effects.items():
            effects[name] = sorted(set(did))


class Model(LoopbackModel):
    """A model that reads a file, looks at the repository, and tries to act where it must not."""

    def __init__(self) -> None:
        self._player = Player([])
        super().__init__(self._choose)

    def play(self, bait: Bait, *, quiet: bool = False) -> None:
        """Sets the script for a repository; see `Scene.run`."""
        self._player = Player(
            ["Done."]
            if quiet
            else [
                ReadFile(str(bait.cwd / "lib" / "plain.txt")),
                Shell("git status"),
                Shell("git diff"),
                Shell(f"touch {bait.stranger}/shell"),
                WriteFile(str(bait.stranger / "file"), "made\n"),
                WriteFile(str(bait.cwd / "inside"), "made\n"),
                "Done.",
            ]
        )

    def mark(self) -> int:
        """How many requests there were."""
        return len(self.requests)

    def said_since(self, mark: int) -> str:
        """All that the model was sent since then."""
        return "\n".join(str(request.body) for request in self.requests[mark:])

    def _choose(self, request: ModelRequest) -> Reply | Refusal:
        return self._player.choose(request)


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """A scene that is taken down at the end."""
    with Model() as model, Evil(model.url, KEY, PROMPT_WORD) as evil:
        yield Scene(folder, model, evil)
