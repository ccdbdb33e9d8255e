"""Turns in notebooks: `watch` shows one while it runs, and the cell magic ``%%agent`` runs one.

``%load_ext signedin`` adds the magic. Results, turns and sessions are shown without it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false
# IPython's functions have few annotations.

from __future__ import annotations

import time
from keyword import iskeyword
from typing import TypeVar, cast

from signedin.client.blocking import Client, Session, Turn
from signedin.client.turn import AsyncTurn
from signedin.model.errors import InvalidOptionError
from signedin.model.events import AnyEvent
from signedin.model.extras import from_extra
from signedin.model.naming import meant
from signedin.model.results import RunResult

with from_extra("notebook", "the notebook extension"):
    from IPython.core.error import UsageError
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic import Magics, cell_magic, magics_class
    from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
    from IPython.display import display

__all__ = ["AgentMagics", "watch", "watch_async"]

T = TypeVar("T")
_OPTIONS = ("session", "out", "model", "effort", "permissions", "cwd", "timeout")
_SECONDS = 0.25
"""Between two views of a growing text; more where a view takes long to make."""


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Adds ``%%agent`` to a notebook."""
    shell.register_magics(AgentMagics)


def watch(turn: Turn[T]) -> RunResult[T]:
    """Shows a turn below the cell while it runs, and returns its result.

    Without a notebook it only waits.

    Args:
        turn: What ``stream`` of a client or session returned.

    Raises:
        SignedinError: The turn failed; what there was of it is shown.
    """
    with turn:
        view = _View(turn)
        try:
            for event in turn:
                view.take(event)
        finally:
            view.update()
        return turn.result()


async def watch_async(turn: AsyncTurn[T]) -> RunResult[T]:
    """Does the same for an asynchronous turn; see `watch`."""
    async with turn:
        view = _View(turn)
        try:
            async for event in turn:
                view.take(event)
        finally:
            view.update()
        return await turn.result()


class _View:
    def __init__(self, turn: object) -> None:
        self._turn = turn
        self._handle = display(turn, display_id=True)
        self._next = 0.0

    def take(self, event: AnyEvent) -> None:
        """Shows an event, but of a growing text not every piece."""
        is_piece = event.kind.endswith("_delta") or getattr(event, "status", "") == "output"
        if not is_piece or time.monotonic() >= self._next:
            self.update()

    def update(self) -> None:
        begun = time.monotonic()
        if self._handle is not None:  # else there is no notebook
            self._handle.update(self._turn)
        ended = time.monotonic()
        self._next = ended + max(_SECONDS, 4 * (ended - begun))


@magics_class
class AgentMagics(Magics):
    """The cell magic ``%%agent``. Its agents stay warm until the kernel ends.

    Args:
        shell: The IPython that loads it.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._names = cast("dict[str, object]", shell.user_ns)
        self._clients: dict[str, Client] = {}
        self._sessions: dict[tuple[str, str], tuple[Client, Session]] = {}

    @magic_arguments()
    @argument("client", nargs="?", default="codex", help="A provider, or a variable with a Client.")
    @argument("--session", metavar="NAME", help="Continue the conversation of this name.")
    @argument("--out", metavar="VARIABLE", help="Store the result in this variable.")
    @argument("--model", help="A model of the provider.")
    @argument("--effort", help="Reasoning effort.")
    @argument("--permissions", help="What the agent may do without asking; read-only by default.")
    @argument("--cwd", metavar="FOLDER", help="Where the agent works.")
    @argument("--timeout", type=float, metavar="SECONDS", help="Time the turn may take in all.")
    @cell_magic
    def agent(self, line: str, cell: str) -> None:
        """Gives the cell to an agent and shows what it does.

        Raises:
            UsageError: ``--out`` cannot be the name of a variable.
        """
        options = vars(self._parsed(line))
        name, session, out = (options.pop(each) for each in ("client", "session", "out"))
        if out and (not out.isidentifier() or iskeyword(out)):
            raise UsageError(f"--out {out!r} cannot be the name of a variable")
        keywords = {option: value for option, value in options.items() if value is not None}
        asked = self._session(name, session) if session else self._client(name)
        result = watch(asked.stream(cell, **keywords))
        if out:
            self._names[out] = result

    def _parsed(self, line: str) -> object:
        """Reads the options; an unknown one is refused with the one that may be meant."""
        try:
            return cast("object", parse_argstring(self.agent, line))
        except UsageError as error:
            known = [f"--{name}" for name in _OPTIONS]
            unknown = [word for word in line.split() if word.startswith("--")]
            near = [meant(word.partition("=")[0], known) for word in unknown if word not in known]
            raise InvalidOptionError(f"%%agent: {error}{''.join(near)}") from None

    def _client(self, name: str) -> Client:
        given = self._names.get(name)
        if isinstance(given, Client):
            return given
        if name not in self._clients:
            self._clients[name] = Client(name)
        return self._clients[name]

    def _session(self, client: str, name: str) -> Session:
        asked = self._client(client)
        known = self._sessions.get((client, name))
        if known is None or known[0] is not asked:  # the variable may hold another client by now
            known = self._sessions[client, name] = asked, asked.session()
        return known[1]
