"""Model, effort, mode and other settings of an ACP session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from signedin.errors import InvalidOptionError, UnsupportedOptionError
from signedin.options import VENDOR_DEFAULT, TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.agent import ACPAgent
from signedin.providers.acp.dialect import Dialect
from signedin.wire.rpc_errors import JsonRpcError


class SessionSettings:
    """The settings of one session, changed only where they differ.

    Attributes:
        state: What the agent told of them when the session was opened.
        model: The model the session is set to, if the agent tells.
    """

    def __init__(
        self, dialect: Dialect, agent: ACPAgent, session_id: str, state: acp.SessionState
    ) -> None:
        self._dialect = dialect
        self._agent = agent
        self._session_id = session_id
        self.state = state
        self._options = state.config_options or ()
        self._now = {option.id: option.current_value for option in self._options}
        self._mode = state.modes.current_mode_id if state.modes else None
        self._own_model = self._told_model()
        self.model = self._own_model

    async def apply(self, options: TurnOptions) -> None:
        """Makes the session fit the options of a turn.

        Raises:
            UnsupportedOptionError: The agent has no such setting.
            InvalidOptionError: It does not accept the value.
        """
        await self._apply_model(self._dialect.model(options) or self._own_model)
        if options.effort not in (None, VENDOR_DEFAULT):
            await self._set_option(self._option_for("effort", "thought_level"), options.effort)
        if mode := self._dialect.mode(options):
            await self._apply_mode(mode)
        config = options.provider_options.get("config", {})
        for option, value in cast("Mapping[str, object]", config).items():
            await self._set_option(option, value)

    async def _apply_model(self, model: str | None) -> None:
        if model is None or model == self.model:
            return
        if self.state.models is not None:
            async with self._accepted("model", model):
                await self._agent.set_model(self._session_id, model)
        else:
            await self._set_option(self._option_for("model", "model"), model)
        self.model = model

    async def _apply_mode(self, mode: str) -> None:
        if self.state.modes is None:
            await self._set_option(self._option_for("mode", "mode"), mode)
        elif mode != self._mode:
            async with self._accepted("mode", mode):
                await self._agent.set_mode(self._session_id, mode)
            self._mode = mode

    async def _set_option(self, option: str, value: object) -> None:
        if value is None or self._now.get(option) == value:
            return
        async with self._accepted(option, value):
            await self._agent.set_config_option(self._session_id, option, value)
        self._now[option] = value

    def _option_for(self, keyword: str, category: str) -> str:
        for option in self._options:
            if category in (option.category, option.id):
                return option.id
        raise UnsupportedOptionError(
            self._dialect.name, keyword, f"{self._agent.name} has no setting for it"
        )

    def _told_model(self) -> str | None:
        if self.state.models is not None:
            return self.state.models.current_model_id or None
        for option in self._options:
            if "model" in (option.category, option.id):
                return str(option.current_value)
        return None

    @asynccontextmanager
    async def _accepted(self, keyword: str, value: object) -> AsyncGenerator[None, None]:
        try:
            yield
        except JsonRpcError as error:
            raise InvalidOptionError(
                f"{self._dialect.name} refused {keyword}={value!r}: {error.message}"
            ) from error
