"""``signedin config``: the defaults, and where each comes from."""

from __future__ import annotations

import click

from signedin.cli import options
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned
from signedin.client.config import settings, user_file


@click.command()
@click.option("--profile", "-P", metavar="NAME", help="With those of this profile.")
@options.cwd
@options.json
def config(*, profile: str | None, cwd: str | None, json: bool) -> None:
    """Show the defaults, and where they come from.

    Flags take precedence over variables such as SIGNEDIN_MODEL, those over [tool.signedin] in the
    project's pyproject.toml, and that over ~/.config/signedin/config.toml.
    """
    found = settings(profile, cwd)
    if json:
        write_json(found)
    elif found:
        rows = [(name, str(each.value), each.source) for name, each in sorted(found.items())]
        write(aligned(rows))
    else:
        write(f"nothing is configured; write it to {user_file()}\n")
