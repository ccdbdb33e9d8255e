"""Model, effort, mode and other settings of an ACP session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.dialect import Dialect, TurnSettings
from signedin.providers.acp.process import ACPAgent
from signedin.wire.rpc_errors import JsonRpcError


class SessionSettings:
    """The settings of one session, changed only where they differ.

    What a turn sets applies to that turn; the next one has the settings the session began with.

    Attributes:
        state: What the agent reported when the session was opened.
    """

    def __init__(
        self, dialect: Dialect, agent: ACPAgent, session_id: str, state: acp.SessionState
    ) -> None:
        self._dialect = dialect
        self._agent = agent
        self._session_id = session_id
        self.state = state
        self._options = state.config_options or ()
        self._own = {option.id: option.current_value for option in self._options}
        self._changed: dict[str, object] = {}
        self._own_model = self._model = (state.models and state.models.current_model_id) or None
        self._own_mode = self._mode = (state.modes and state.modes.current_mode_id) or None

    @property
    def model(self) -> str | None:
        """The model the session is set to, if the agent reports it."""
        if self.state.models is not None:
            return self._model
        option = self._find("model")
        return None if option is None else str(self._value(option))

    @property
    def effort(self) -> str | None:
        """The reasoning effort the session is set to, if the agent reports it."""
        option = self._find("thought_level")
        value = None if option is None else self._value(option)
        return value if isinstance(value, str) else None

    async def apply(self, turn: TurnSettings) -> None:
        """Makes the session fit what a turn sets.

        Raises:
            UnsupportedOptionError: The agent has no such setting.
            InvalidOptionError: It does not accept the value.
        """
        wanted: dict[str, object] = {}
        if self.state.models is not None:
            await self._apply_model(turn.model or self._own_model)
        elif turn.model is not None:
            wanted[self._option_for("model", "model")] = turn.model
        if turn.effort is not None:
            wanted[self._option_for("effort", "thought_level")] = turn.effort
        if self.state.modes is not None:
            await self._apply_mode(turn.mode or self._own_mode)
        elif turn.mode is not None:
            wanted[self._option_for("mode", "mode")] = turn.mode
        wanted |= turn.config
        for option in [*self._changed, *wanted]:
            await self._set_option(option, wanted.get(option, self._own.get(option)))

    async def _apply_model(self, model: str | None) -> None:
        if model is not None and model != self._model:
            async with self._accepted("model", model):
                await self._agent.set_model(self._session_id, model)
            self._model = model

    async def _apply_mode(self, mode: str | None) -> None:
        if mode is not None and mode != self._mode:
            async with self._accepted("mode", mode):
                await self._agent.set_mode(self._session_id, mode)
            self._mode = mode

    async def _set_option(self, option: str, value: object) -> None:
        if value is None or self._value(option) == value:
            return
        async with self._accepted(option, value):
            await self._agent.set_config_option(self._session_id, option, value)
        self._changed[option] = value

    def _value(self, option: str) -> object:
        return self._changed.get(option, self._own.get(option))

    def _option_for(self, keyword: str, category: str) -> str:
        if (option := self._find(category)) is not None:
            return option
        raise UnsupportedOptionError(
            self._dialect.name, keyword, f"{self._agent.name} has no setting for it"
        )

    def _find(self, category: str) -> str | None:
        found = (option.id for option in self._options if category in (option.category, option.id))
        return next(found, None)

    @asynccontextmanager
    async def _accepted(self, keyword: str, value: object) -> AsyncGenerator[None, None]:
        try:
            yield
        except JsonRpcError as error:
            raise InvalidOptionError(
                f"{self._dialect.name} refused {keyword}={value!r}: {error.message}"
            ) from error
