"""Words that keywords and flags choose among, apart from what reads them: help needs no more."""

from __future__ import annotations

from typing import Literal, TypeAlias

Permissions: TypeAlias = Literal["read-only", "workspace-write", "full-access"]
"""What the agent may do without asking."""

Sandbox: TypeAlias = Literal["read-only", "workspace-write", "off"]
"""What the system lets the agent write: nothing of the project, the project, or everything."""

EnvPolicy: TypeAlias = Literal["minimal", "inherit"]
"""``minimal`` keeps other vendors' credentials out of the child's environment."""

AuthSource: TypeAlias = Literal["auto", "isolated", "external"]
"""Which login is used: signedin's own state, the vendor's, or the first that is signed in."""

OnLimit: TypeAlias = Literal["next", "handover", "wait", "raise"]
"""What a client does when a plan is used up: the next provider gets the prompt, unless the agent
has acted; it gets the work as well; the turn waits until the plan resets; an error is raised."""

OnBatchLimit: TypeAlias = Literal["wait", "next", "stop"]
"""What a batch does when its client raises that error: its rows wait, as do those whose agent has
acted, while others go to the next provider of the client; the run ends."""

Billing: TypeAlias = Literal["subscription", "api"]
"""Who is to pay: the plan of a login, or an API key by use."""

CassetteMode: TypeAlias = Literal["once", "none", "rewrite", "all"]
"""Play a cassette that is there and record one that is not; only play; record and replace what is
there; record and add to it."""

OnCrash: TypeAlias = Literal["resume", "again", "ask"]
"""What a batch does with a row whose process died while it was running."""
