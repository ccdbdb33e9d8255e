"""What several agents made of the same prompt, side by side on one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from signedin.accounts.files import write_private
from signedin.cli.page.document import check_target, resources
from signedin.jobs.best_of import AsyncBestOf, check_word

if TYPE_CHECKING:
    from signedin.jobs.blocking import BestOf


def write_best_of_page(best_of: AsyncBestOf | BestOf, path: Path, *, prompt: str = "") -> None:
    """Writes a page that only its owner can read.

    Args:
        best_of: What `best_of` returned.
        path: Where to; a file that is there is replaced.
        prompt: What was asked.

    Raises:
        InvalidOptionError: The folder does not exist, or there is something other than a file.
        OSError: The system refused.
    """
    check_target(path)
    page = resources("best_of.html")
    html = page.template.render(
        style=Markup(page.style),  # noqa: S704 - the style sheet of this package
        style_hash=Markup(page.style_hash),  # noqa: S704 - base64
        title=f"The best of {len(best_of.candidates)}",
        prompt=prompt,
        made=best_of,
        check_word=check_word,
    )
    write_private(path.resolve(), html.encode())
