"""A screen for Textual programs, such as axio's, to sign in to ChatGPT with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Literal

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, VerticalScroll
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Link, Static
from textual.worker import Worker

from signedin.accounts.status import AsyncLogin, AuthStatus
from signedin.client.async_client import AsyncClient
from signedin.model.errors import SignedinError

Settings = Mapping[str, str]


class SignInScreen(ModalScreen[dict[str, str] | None]):
    """Shows who is signed in to ChatGPT, signs in and signs out.

    It ends with the settings it was given when the login has changed, so that a program opens its
    transport again, and with ``None`` when it has not. No token is in them: logins are where
    ``signedin auth login`` puts them.

    Args:
        settings: What the program has stored for the transport: ``account`` is the login's name.

    Attributes:
        status: What is shown of the account, or why the latest attempt failed.
        is_waiting: Whether the user has to sign in now.
    """

    CSS = """
    SignInScreen { align: center middle; }
    SignInScreen > VerticalScroll {
        width: 90%; max-width: 110; height: auto; max-height: 100%; padding: 0 2;
        border: heavy $accent; background: $panel;
    }
    SignInScreen Static { margin-bottom: 1; height: auto; width: 100%; }
    SignInScreen Grid { grid-size: 2; grid-rows: 3; grid-gutter: 0 2; height: auto; }
    SignInScreen Grid Button { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "close", "Close"),
        ("ctrl+y", "copy", "Copy the address"),
    ]

    status = reactive("")
    is_waiting = reactive(default=False)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = {key: text for key, text in settings.items() if not key.startswith("_")}
        self._login: AsyncLogin | None = None
        self._attempt: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """Puts the screen together."""
        with VerticalScroll():
            yield Static("[bold]ChatGPT, by signedin[/]")
            yield Static(id="status", markup=False)
            yield Link("", id="address", tooltip="Opens the page in a browser")
            yield Static(id="code", markup=False)
            yield Input(
                id="answer", placeholder="if the browser is elsewhere: the address it ended at"
            )
            with Grid(id="ways"):
                yield Button("Sign in with ChatGPT", id="siwc", variant="primary")
                yield Button("Sign in as Codex does", id="codex")
                yield Button("As Codex does, with a code", id="device")
                yield Button("Sign out", id="sign-out", variant="warning")
            yield Button("Close", id="close")

    async def on_mount(self) -> None:
        """Reports who is signed in."""
        self.watch_is_waiting(waiting=False)
        try:
            async with self._client() as client:
                self.status = _described(await client.auth_status())
        except SignedinError as error:
            self.status = error.message

    def watch_status(self, status: str) -> None:
        """Shows it, unless the screen has gone."""
        for shown in self.query("#status").results(Static):
            shown.update(status)

    def watch_is_waiting(self, waiting: bool) -> None:  # noqa: FBT001 - Textual calls it
        """Shows what belongs to waiting, or what else can be done, unless the screen has gone."""
        self.query("#ways").set(display=not waiting)
        self.query("#address, #code, #answer").set(display=waiting)
        for button in self.query("#close").results(Button):
            button.label = "Give up" if waiting else "Close"

    async def on_button_pressed(self, event: Button.Pressed) -> None:
        """Does what a button says."""
        match event.button.id:
            case "siwc":
                self._attempt = self._sign_in("siwc", "browser")
            case "codex":
                self._attempt = self._sign_in("codex", "browser")
            case "device":
                self._attempt = self._sign_in("codex", "device")
            case "sign-out":
                self._attempt = self._sign_out()
            case _:
                self.action_close()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Takes the address at which a browser ended that cannot reach this machine."""
        if self._login is None:
            return
        try:
            await self._login.submit_code(event.value)
        except SignedinError as error:
            self.status = error.message

    def action_copy(self) -> None:
        """Copies the address to the clipboard."""
        address = self.query_one("#address", Link).url
        self.app.copy_to_clipboard(address)  # pyright: ignore[reportUnknownMemberType]

    def action_close(self) -> None:
        """Cancels the attempt to sign in if there is one, else closes the screen."""
        if self._attempt is not None and self._attempt.is_running:
            self._attempt.cancel()
            self.status = "The sign-in was cancelled."
        else:
            self.dismiss(None)

    @work(exclusive=True)
    async def _sign_in(
        self, profile: Literal["siwc", "codex"], method: Literal["browser", "device"]
    ) -> None:
        self.status = "One moment…"
        try:
            async with self._client(profile=profile) as client:
                await self._waited(await client.login(method=method))
        except SignedinError as error:
            self.status = error.message
        else:
            self.dismiss(self._settings)

    @work(exclusive=True)
    async def _sign_out(self) -> None:
        try:
            async with self._client() as client:
                await client.logout()
        except SignedinError as error:
            self.status = error.message
        else:
            self.dismiss(self._settings)

    async def _waited(self, login: AsyncLogin) -> None:
        """Shows where to sign in until it has happened."""
        address, code = self.query_one("#address", Link), self.query_one("#code", Static)
        self._login = login
        self.status = "Sign in on this page (Enter opens it, Ctrl+Y copies its address):"
        address.text = address.url = login.url or ""
        code.update(f"and type this code: {login.user_code}" if login.user_code else "")
        self.is_waiting = True
        address.focus()
        try:
            await login.wait()
        finally:
            await login.cancel()
            self._login, self.is_waiting = None, False

    def _client(self, **options: object) -> AbstractAsyncContextManager[AsyncClient]:
        account = self._settings.get("account")
        return AsyncClient("chatgpt", account=account, provider_options=options)


def _described(status: AuthStatus) -> str:
    if not status.authenticated:
        return "Not signed in."
    plan = f", plan {status.plan}" if status.plan else ""
    return f"Signed in: {status.email or 'without an email address'}{plan}"
