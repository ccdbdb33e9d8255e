"""Two agents review what has changed, and what they say is recorded once.

The first run asks them. Commit `reviews/`: from then on the same change is reviewed without an
agent, an account and a network, as in CI. Exits with 1 if one of them finds something severe.
"""

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

from signedin import AsyncClient

REVIEWERS = ("codex", "claude")


@dataclass
class Finding:
    """Something that is wrong with a change."""

    file: str
    severity: Literal["low", "high"]
    problem: str


async def findings(reviewer: str, diff: str) -> list[Finding]:
    """Returns what a reviewer has found."""
    async with AsyncClient(reviewer, cassette=f"reviews/{reviewer}.jsonl") as client:
        result = await client.run(f"Review this diff:\n\n{diff}", output=list[Finding])
    return result.output


async def review(diff: str) -> bool:
    """Prints what they have found; returns whether some of it is severe."""
    found = await asyncio.gather(*(findings(reviewer, diff) for reviewer in REVIEWERS))
    for reviewer, each in zip(REVIEWERS, found, strict=True):
        print(reviewer, *each, sep="\n  ")
    return any(finding.severity == "high" for each in found for finding in each)


command = ["git", "diff", "HEAD"]
changes = subprocess.run(command, capture_output=True, text=True, check=True).stdout
sys.exit(asyncio.run(review(changes)))
