"""Samples, taken in turns so that whatever else the machine does hits every contestant alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

SETTLE_SECONDS = 0.1
"""Between two jobs: what a contestant still does in the background must not burden the next."""

Sample = Mapping[str, float]
"""What one run took: `wall` and `cpu` in seconds, `rss` in MB, whatever the contestant tells."""


class Contestant(Protocol):
    """One way to do the job of a measurement."""

    @property
    def name(self) -> str: ...

    def once(self) -> Sample:
        """Does the job once; raises `AssertionError` if the answer is wrong."""
        ...


class Series(NamedTuple):
    """The samples of a contestant, one per round."""

    name: str
    samples: Sequence[Sample]

    def median(self, metric: str) -> float | None:
        values = self.values(metric)
        return statistics.median(values) if values else None

    def least(self, metric: str) -> float | None:
        return min(self.values(metric), default=None)

    def values(self, metric: str) -> list[float]:
        return [sample[metric] for sample in self.samples if metric in sample]


def interleave(
    contestants: Sequence[Contestant],
    rounds: int,
    *,
    warmups: int,
    progress: Callable[[int], None],
) -> list[Series]:
    """Lets all contestants do the job in turns: A B C, A B C, …

    Args:
        contestants: Who takes part.
        rounds: How often each does the job.
        warmups: Rounds before that, which do not count.
        progress: Told the number of each round as it begins.
    """
    taken: dict[str, list[Sample]] = {contestant.name: [] for contestant in contestants}
    for number in range(warmups + rounds):
        progress(number)
        for contestant in contestants:
            sample = contestant.once()
            time.sleep(SETTLE_SECONDS)
            if number >= warmups:
                taken[contestant.name].append(sample)
    return [Series(name, samples) for name, samples in taken.items()]


def ratio(series: Series, reference: Series, metric: str) -> float:
    """The median of the ratios within each round: slow moments of the machine cancel out."""
    pairs = zip(series.values(metric), reference.values(metric), strict=True)
    return statistics.median(ours / theirs for ours, theirs in pairs)
