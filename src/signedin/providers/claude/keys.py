"""The keys of ``provider_options`` for Claude Code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.shared.provider_options import ProviderOptions, Table, Text, Texts

_OF_PROJECT = ("project", "local")

Number = Annotated[int | float | str, Meta(description="be a string or a number")]
TextOrTable = Annotated[str | Mapping[str, object], Meta(description="be a string or a mapping")]
TextsOrTable = Annotated[
    Sequence[str] | Mapping[str, object], Meta(description="be a list of strings or a mapping")
]
Count = Annotated[int, Meta(ge=1, description="be a whole number from 1")]


class ClaudeKeys(ProviderOptions, frozen=True, kw_only=True):
    """The keys that both transports know, named and valued as on the command line.

    Attributes:
        add_dirs: Further folders to work in.
        agents: Subagents by name.
        allowed_tools: Rules for what is allowed without asking.
        betas: Beta features of the API.
        disallowed_tools: Rules for what is not allowed.
        fallback_model: The model that answers while the other is overloaded.
        max_budget_usd: What a turn may cost.
        max_thinking_tokens: How long the model may think.
        max_turns: How often the model may be asked in a turn.
        permission_mode: Claude Code's own mode, instead of what ``permissions`` says.
        reasoning_effort: The same as ``effort=``, which takes precedence.
        setting_sources: Whose settings are loaded.
        settings: A file of settings, or the settings.
        system_prompt: Replaces Claude Code's own prompt.
        tools: The built-in tools there are.
    """

    add_dirs: Texts = ()
    agents: Table | None = None
    allowed_tools: Texts | None = None
    betas: Texts | None = None
    disallowed_tools: Texts | None = None
    fallback_model: Text | None = None
    max_budget_usd: Number | None = None
    max_thinking_tokens: Number | None = None
    max_turns: Count | None = None
    permission_mode: Text | None = None
    reasoning_effort: Text | None = None
    setting_sources: Texts = ()
    settings: TextOrTable | None = None
    system_prompt: TextOrTable | None = None
    tools: TextsOrTable | None = None

    def turns(self, options: TurnOptions) -> int | None:
        """Returns how often the model may be asked in a turn, ``None`` for no limit.

        Structured output may need a second request, which reminds the model of it.
        """
        if self.max_turns is None or options.output is None:
            return self.max_turns
        return max(self.max_turns, 2)

    def sources(self, options: TurnOptions) -> list[str]:
        """Returns whose settings are loaded: the project's if trusted, the user's if named.

        Raises:
            InvalidOptionError: The project's are named, and it is not trusted.
        """
        named = [*self.setting_sources]
        if options.trust_project:
            return [*(source for source in named if source not in _OF_PROJECT), *_OF_PROJECT]
        if untrusted := [source for source in named if source in _OF_PROJECT]:
            raise InvalidOptionError(
                f"provider_options['setting_sources'] names {untrusted[0]!r}, which comes with the "
                "project: pass trust_project=True (--trust-project) to load the project's settings"
            )
        return named


def setting_sources(options: TurnOptions) -> list[str]:
    """Returns whose settings are loaded, whatever else the options say."""
    named = options.provider_options.get("setting_sources")
    return ClaudeKeys.read("claude", {"setting_sources": named}).sources(options)


def written(value: object) -> str:
    """Returns a value as it is written on a command line; a mapping as JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, Mapping) else str(value)
