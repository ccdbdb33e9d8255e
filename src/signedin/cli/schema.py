"""``signedin schema``: the form of what ``--json`` writes, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from signedin.accounts.status import AuthStatus
from signedin.cli.auth import ExportedLogin, ImportedLogin, SignedOut
from signedin.cli.doctor import CheckResult
from signedin.cli.documents import (
    Availability,
    BestOfDocument,
    ChangesLine,
    Checked,
    FailureDocument,
    PolicyAnswer,
    ProviderRow,
    ResultLine,
    ResumeDocument,
    Retried,
    RowLine,
    RunDocument,
    Served,
    Serving,
    SessionChange,
    StatusLine,
)
from signedin.cli.errors import UsageError
from signedin.cli.output import write
from signedin.cli.page.record import Conversation
from signedin.cli.sessions import SessionDocument
from signedin.cli.tables import aligned
from signedin.client.config import Setting
from signedin.jobs.batch.reports import BatchRecord, BatchStatus
from signedin.ledger.report import UsageReport
from signedin.model.events import AnyEvent, RateLimits
from signedin.model.results import ModelInfo, SessionPage

DOCUMENTS: Mapping[str, tuple[object, str]] = {
    "run": (RunDocument, "signedin run --json"),
    "run-line": (AnyEvent | ResultLine, "a line of signedin run --json --stream"),
    "run-worktree": (ChangesLine, "the line after the result of signedin run --worktree --json"),
    "best-of": (BestOfDocument, "signedin best-of --json"),
    "batch-line": (RowLine | StatusLine, "a line of signedin batch run --json"),
    "batch-status": (BatchStatus, "signedin batch status --json"),
    "batch-retry": (Retried, "signedin batch retry --json"),
    "batch-row": (BatchRecord, "a line of signedin batch export"),
    "available": (Availability, "signedin available --json"),
    "providers": (list[ProviderRow], "signedin providers --json"),
    "models": (list[ModelInfo], "signedin models --json"),
    "limits": (RateLimits, "signedin limits --json"),
    "transcript": (Conversation, "signedin transcript --json"),
    "usage": (UsageReport, "signedin usage --json"),
    "policy-test": (PolicyAnswer, "signedin policy test --json"),
    "sessions-list": (SessionPage, "signedin sessions list --json"),
    "sessions-show": (SessionDocument, "signedin sessions show --json"),
    "sessions-change": (
        SessionChange,
        "signedin sessions fork, rename, archive, unarchive and delete --json",
    ),
    "resume": (ResumeDocument, "signedin resume --json"),
    "auth-status": (AuthStatus, "signedin auth status and login --json"),
    "auth-export": (ExportedLogin, "signedin auth export --json"),
    "auth-import": (ImportedLogin, "signedin auth import --json"),
    "auth-list": (list[AuthStatus], "signedin auth list --json"),
    "auth-logout": (SignedOut, "signedin auth logout --json"),
    "config": (dict[str, Setting], "signedin config --json"),
    "doctor": (list[CheckResult], "signedin doctor --json"),
    "error": (FailureDocument, "any command with --json that fails before it writes the above"),
    "demo-line": (AnyEvent | ResultLine | Checked, "a line of signedin demo --json"),
    "loopback-line": (Serving | Served, "a line of signedin loopback --json"),
}
"""Name of each document: its type, and which command writes it."""


def _names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in DOCUMENTS if name.startswith(incomplete)]


@click.command()
@click.argument(
    "name", required=False, help="The document; without it, all are listed.", shell_complete=_names
)
def schema(*, name: str | None) -> None:
    """Print the JSON Schema of what a command writes with --json.

    \b
    signedin schema
    signedin schema run > run.schema.json
    """
    if name is None:
        rows = [("NAME", "WRITTEN BY"), *((known, by) for known, (_, by) in DOCUMENTS.items())]
        write(aligned(rows))
        return
    if name not in DOCUMENTS:
        raise UsageError(f"no document {name!r}; choose one of: {', '.join(DOCUMENTS)}")
    write(msgspec.json.format(msgspec.json.encode(schema_of(name)), indent=2).decode() + "\n")


def schema_of(name: str) -> dict[str, object]:
    """Returns the JSON Schema of a document."""
    written, _ = DOCUMENTS[name]
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**dialect, **msgspec.json.schema(written, schema_hook=_schema_of_other)}


def _schema_of_other(kind: type[object]) -> dict[str, object]:
    if kind is object:
        return {"description": "Any JSON value."}
    if issubclass(kind, Path):
        return {"type": "string"}
    raise NotImplementedError
