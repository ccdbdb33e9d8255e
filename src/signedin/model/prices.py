"""What tokens cost at list price, by genai-prices. On a plan it is not billed.

The library is imported when somebody asks for a price, never by a turn: it takes half a second.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from signedin.model.events import Usage

_SAMPLE = 1_000
"""Tokens whose price is asked for: few enough for the lowest tier of models that have tiers."""


class UnitPrices(msgspec.Struct, frozen=True, array_like=True):
    """US dollars for one token of each kind.

    Attributes:
        input: Input that came from no cache and went to none.
        cached: Input read from the cache.
        cache_write: Input written to the cache.
        output: Output, reasoning included.
    """

    input: float
    cached: float
    cache_write: float
    output: float

    def of(self, usage: Usage) -> float:
        """Returns the price of all tokens of a turn, each request at the lowest tier."""
        fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        return (
            max(fresh, 0) * self.input
            + usage.cached_input_tokens * self.cached
            + usage.cache_write_tokens * self.cache_write
            + usage.output_tokens * self.output
        )


@cache
def unit_prices(model: str) -> UnitPrices | None:
    """Returns the prices of a model; ``None`` if it, or genai-prices, is not there.

    Agents put the name of a provider before that of a model, as in ``anthropic/claude-opus-4-5``.
    """
    try:
        from genai_prices import Usage as Sample, calc_price  # noqa: PLC0415 - takes 500 ms
    except ImportError:
        return None
    name = model.rpartition("/")[2]
    samples = (
        Sample(input_tokens=_SAMPLE),
        Sample(input_tokens=_SAMPLE, cache_read_tokens=_SAMPLE),
        Sample(input_tokens=_SAMPLE, cache_write_tokens=_SAMPLE),
        Sample(output_tokens=_SAMPLE),
    )
    try:
        prices = [float(calc_price(sample, name).total_price) / _SAMPLE for sample in samples]
    except LookupError:
        return None
    return UnitPrices(*prices)
