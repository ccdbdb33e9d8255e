"""The sandbox for agents that have none of their own: whether it can be had, and for whom."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec

from signedin.accounts.files import write_private
from signedin.accounts.homes import cache_folder, make_private, signedin_home
from signedin.model.errors import PermissionDeniedError, SignedinError, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import StartProcess
from signedin.providers.shared.codex_program import INSTALL, locate_codex
from signedin.runtime.temporary import TemporaryFolder
from signedin.safety.sandbox import kernel
from signedin.safety.sandbox.command import sandboxed
from signedin.safety.sandbox.confinement import (
    Confinement,
    OwnFolders,
    confine,
    level_of,
    protected,
)
from signedin.wire.capture import Captured, capture
from signedin.wire.process import Process

PROBE_SECONDS = 10.0

_TRY = """
test -w "$0" && exit 1
for place in $1; do
    test -w "$place" && echo "$place" && exit 1
done
exit 0
"""
"""Ends with 0 if nothing can be written to of what it is given: a folder, and patterns of files of
the kernel, of which it writes out the first that can."""

_REMEDY = "run as another user, or pass sandbox='off' to run without one"

_KERNEL = "/proc/[!0-9]* /proc/sys/*/* /proc/irq/*/* /proc/bus/*/*"

_PATTERN = re.compile(r"[*?\[\]]")
_GONE = re.compile(r"^bwrap: Can't (?:mkdir parents for|create file at) ", re.MULTILINE)
_NOTHING = Confinement(level="read-only", workspace=(), written=(), spared=(), hidden=())
_probed: dict[str, str] = {}
"""What was found out about each Codex program: empty if it can confine."""


class SandboxedAgent(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent would be started, for its sandbox.

    Attributes:
        name: Name of the provider.
        own: What it needs besides the project; ``None`` if it is not confined by signedin.
        more: More folders of the project.
        acts_unasked: Whether the caller named a mode in which it may not ask.
    """

    name: str
    own: OwnFolders | None
    more: Sequence[str] = ()
    acts_unasked: bool = False


async def confinement_of(agent: SandboxedAgent, options: TurnOptions) -> Confinement | None:
    """Returns the limits of an agent, ``None`` if it runs without a sandbox.

    Raises:
        UnsupportedOptionError: A sandbox was asked for by name, and it cannot be had.
        PermissionDeniedError: The project has a link where the sandbox would have to protect what
            it leads to.
    """
    limits = limits_of(agent, options)
    problem = await _problem_of(agent, options, limits)
    if problem and options.sandbox is not None:
        raise UnsupportedOptionError(agent.name, "sandbox", problem)
    if not problem and limits is not None:
        _check_links(agent.name, limits)
    return None if problem else limits


async def notices_of(agent: SandboxedAgent, options: TurnOptions) -> tuple[str, ...]:
    """Returns the warning that an agent runs without the sandbox it should have, if it does."""
    problem = await _problem_of(agent, options, limits_of(agent, options))
    return (f"{agent.name} runs without a sandbox: {problem}",) if problem else ()


def limits_of(agent: SandboxedAgent, options: TurnOptions) -> Confinement | None:
    """Returns the limits that an agent should have, ``None`` if signedin does not confine it."""
    level = level_of(options, acts_unasked=agent.acts_unasked)
    if level == "off" or agent.own is None:
        return None
    given = {**os.environ, **options.env}
    env = {name: value for name, value in given.items() if value is not None}
    cached = (*agent.own.spared, str(cache_folder()))  # what makes the sandbox is there
    own = msgspec.structs.replace(agent.own, spared=cached)
    return confine(level, options, own, env=env, ours=str(signedin_home()), more=agent.more)


async def _problem_of(
    agent: SandboxedAgent, options: TurnOptions, limits: Confinement | None
) -> str:
    """Returns why an agent cannot have its limits, empty if it can."""
    if limits is not None:
        return await problem_with_sandbox() or _unusable(limits)
    is_named = agent.own is None and options.sandbox not in {None, "off"}
    return "the agent is to use its own" if is_named else ""


async def problem_with_sandbox() -> str:
    """Returns why this machine has no sandbox, empty if it has one."""
    if sys.platform == "win32":
        return "there is none for Windows yet; pass sandbox='off' to run without one"
    found = locate_codex()
    if found.usable is None:
        return f"it needs Codex ({found.problem}); install it with: {INSTALL}"
    program = str(found.usable)
    if program not in _probed:
        _probed[program] = await _probe(program)
    return _probed[program]


async def left_open() -> str:
    """Returns a setting of the kernel that an agent can change in Codex's own sandbox, if any."""
    found = locate_codex()
    if found.usable is None or not kernel.is_open():
        return ""
    with suppress(SignedinError, OSError):  # what it cannot make leaves nothing open
        return (await _tried(*_bare(str(found.usable)))).stdout.decode().strip()
    return ""


def is_made_in_vain(said: str) -> bool:
    """Returns whether a sandbox was not made because something that it hides had just gone.

    That is the socket of another program, which ended in that moment. A sandbox that is made
    again leaves it out.

    Args:
        said: What was written to standard error.
    """
    return _GONE.search(said) is not None


class SandboxedStart(msgspec.Struct, frozen=True):
    """Starts programs within the limits of an agent.

    Attributes:
        limits: What `confinement_of` returned.
        start_process: Starts a program.
        replays: Whether it only plays what was recorded: then nothing has to be confined.
    """

    limits: Confinement | None = None
    start_process: StartProcess = Process.start
    replays: bool = False

    async def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path | None,
        variables: Mapping[str, str] | None = None,
    ) -> Process:
        """Starts a program, which may write to its temporary folder as well.

        Args:
            argv: The program and its arguments.
            env: Its environment.
            cwd: Its working directory.
            variables: More variables, of the agent's choice; see `prefix`.

        Raises:
            OSError: It cannot be started.
        """
        if self.replays:
            return await self.start_process(argv, env={}, cwd=cwd)
        writable = [env["TMPDIR"]] if "TMPDIR" in env else []
        words, own = prefix(self.limits, env, writable, variables)
        return await self.start_process(argv, env=own, cwd=cwd, prefix=words)


UNCONFINED = SandboxedStart()
"""Starts programs without limits."""


def prefix(
    limits: Confinement | None,
    env: Mapping[str, str],
    writable: Iterable[str] = (),
    variables: Mapping[str, str] | None = None,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns what to put before a command line, and the environment that needs.

    Args:
        limits: What `confinement_of` returned.
        env: The environment of the command.
        writable: Folders it may write to besides, such as the temporary one.
        variables: Variables that the agent sets for the command. They are given to it inside of
            the sandbox: in the environment of the sandbox itself they could open it.
    """
    if limits is None:
        return (), {**env, **(variables or {})}
    program = str(locate_codex().usable)
    for folder in limits.written:
        with suppress(OSError):  # then the agent reports that it cannot store anything there
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    words = sandboxed(
        limits, program=program, env=env, writable=tuple(writable), variables=variables
    )
    return _closed(words, {**env, "CODEX_HOME": str(_codex_home())}, limits)


def _closed(
    words: tuple[str, ...], env: dict[str, str], limits: Confinement
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns a command line that makes a sandbox, for root as well, and its environment."""
    if not kernel.is_open():
        return words, env
    folder = next(_out_of_reach(limits))
    program = folder / "bwrap"
    if not program.is_file() or program.read_text("utf-8") != kernel.BWRAP:
        new = program.with_name(f"{program.name}.{os.getpid()}")
        write_private(new, kernel.BWRAP.encode())
        new.chmod(0o700)
        new.replace(program)
    return kernel.covered(words, env, folder=folder)


def _out_of_reach(limits: Confinement) -> Iterator[Path]:
    """Yields folders for our bubblewrap that a confined agent cannot write to."""
    for place in (lambda: make_private(cache_folder() / "bubblewrap"), _temporary):
        folder = place().resolve()
        if not any(map(folder.is_relative_to, (*limits.workspace, *limits.written))):
            yield folder


def _temporary() -> Path:
    return Path(_scratch().name)


@cache
def _scratch() -> TemporaryFolder:
    return TemporaryFolder("bubblewrap")


def _codex_home() -> Path:
    """An empty home: no configuration of the user may change the sandbox."""
    return make_private(cache_folder() / "sandbox")


def _check_links(provider: str, limits: Confinement) -> None:
    folders = (*limits.workspace, *limits.written)
    if link := next(filter(os.path.islink, protected(folders)), None):
        raise PermissionDeniedError(
            f"{provider} is not started: {link} is a link, and the sandbox cannot protect what it "
            "leads to; remove it, or pass sandbox='off' (--sandbox off)"
        )


def _unusable(limits: Confinement) -> str:
    if folder := next(filter(_PATTERN.search, (*limits.workspace, *limits.written)), None):
        return f"{folder} has a character that it takes for a pattern"
    if kernel.is_open() and next(_out_of_reach(limits), None) is None:
        return f"an agent of root could write to all of the folders that it is made from; {_REMEDY}"
    return ""


async def _probe(program: str) -> str:
    """Runs a shell that may write nowhere, and has it try."""
    try:
        ended = await _confined(program)
        if is_made_in_vain(ended.stderr):
            ended = await _confined(program)
    except (SignedinError, OSError) as error:
        return f"{program} could not be tried: {error}"
    if ended.returncode == 0:
        return ""
    if ended.stdout or ended.returncode == kernel.LEFT_OPEN:
        return f"{program} leaves settings of the kernel writable to root; {_REMEDY}"
    said = ended.stderr.splitlines() or [f"it ended with {ended.returncode}"]
    return (
        f"this machine does not let {program} make one ({said[0]}); allow user namespaces, or "
        "pass sandbox='off' to run without one"
    )


async def _confined(program: str) -> Captured:
    return await _tried(*_closed(*_bare(program), _NOTHING))


def _bare(program: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """What makes a sandbox in which nothing may be written to, as Codex makes its own."""
    env = {"PATH": os.environ.get("PATH", os.defpath)}
    home = str(_codex_home())
    words = sandboxed(_NOTHING, program=program, env=env)
    return words, {**env, "CODEX_HOME": home, "TMPDIR": home}


async def _tried(words: Sequence[str], env: Mapping[str, str]) -> Captured:
    # Other users may write to those of their own namespaces, which a sandbox is.
    files = _KERNEL if kernel.is_open() else ""
    argv = [*words, "/bin/sh", "-c", _TRY, env["CODEX_HOME"], files]
    return await capture(argv, env=env, seconds=PROBE_SECONDS)
