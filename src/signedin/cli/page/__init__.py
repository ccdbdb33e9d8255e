"""A conversation as one HTML page that needs nothing else.

`record` reads conversations from results, events, stored sessions and JSON; `text` makes what an
agent or a command wrote safe to show; `document` fills the template and writes the page.
"""

from typing import TYPE_CHECKING

from signedin._lazy import attach

if TYPE_CHECKING:
    from signedin.cli.page.best_of import write_best_of_page
    from signedin.cli.page.document import render_page, write_page
    from signedin.cli.page.record import (
        Conversation,
        Exchange,
        from_events,
        from_history,
        from_json,
        from_result,
    )

__all__ = [
    "Conversation",
    "Exchange",
    "from_events",
    "from_history",
    "from_json",
    "from_result",
    "render_page",
    "write_best_of_page",
    "write_page",
]

_HOMES = {
    ".best_of": "write_best_of_page",
    ".document": "render_page write_page",
    ".record": "Conversation Exchange from_events from_history from_json from_result",
}

if not TYPE_CHECKING:  # or a type checker would take every misspelt name for granted
    _, __getattr__ = attach(__name__, _HOMES)
