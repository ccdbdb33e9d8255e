"""Where a client's prompts go, and what may be asked there."""

from __future__ import annotations

import msgspec

from signedin.client.keywords import resolve
from signedin.model.capabilities import Capabilities, check_supported
from signedin.model.options import Output, TurnKeywords, TurnOptions
from signedin.runtime.watching import Watch


class Route(msgspec.Struct, frozen=True):
    """What answers, and what it can.

    Attributes:
        provider: Name of the provider; of several, their names with commas between them.
        transport: How it is driven.
        capabilities: What it can do so.
        watches: Watch its turns.
    """

    provider: str
    transport: str
    capabilities: Capabilities
    watches: tuple[Watch, ...] = ()

    def options(
        self, defaults: TurnKeywords, checked: TurnKeywords, output: Output | None = None
    ) -> TurnOptions:
        """Returns the options of a turn.

        Args:
            defaults: Checked keywords of its client or session.
            checked: Its own, see `check_keywords`.
            output: What the answer has to fit.

        Raises:
            UnsupportedOptionError: The provider cannot honour a keyword.
        """
        asked = {**defaults, **checked, "output": output}
        check_supported(self.provider, self.capabilities, asked)
        return resolve(defaults, checked, output)
