"""The pages that a browser shows after signing in. They load and run nothing."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

import msgspec


class Page(msgspec.Struct, frozen=True):
    """An answer to a browser.

    Attributes:
        status: Its HTTP status.
        title: Its heading.
        text: Its text, not HTML.
    """

    status: HTTPStatus
    title: str
    text: str

    def body(self) -> bytes:
        """Returns the page as HTML."""
        title, text = escape(self.title), escape(self.text)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"</head><body><h1>{title}</h1><p>{text}</p></body></html>"
        ).encode()


_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Neither scripts nor anything else is loaded, and nobody frames the page."""

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Connection": "close",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _NOTHING,
    "Cross-Origin-Resource-Policy": "same-origin",
    # The address of the page has the code in it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

SIGNED_IN = Page(
    HTTPStatus.OK, "Signed in to ChatGPT", "You can close this page and go back to the terminal."
)
NOT_OURS = Page(
    HTTPStatus.BAD_REQUEST,
    "Nothing to do here",
    "This address does not belong to the pending sign-in. Begin again from the terminal.",
)
NOT_FOUND = Page(HTTPStatus.NOT_FOUND, "Nothing to see here", "There is no such page.")
NOT_ALLOWED = Page(HTTPStatus.METHOD_NOT_ALLOWED, "Nothing to do here", "Only GET is answered.")
WRONG_HOST = Page(HTTPStatus.FORBIDDEN, "Nothing to do here", "This server has another name.")
UNREADABLE = Page(HTTPStatus.BAD_REQUEST, "Nothing to do here", "This is not an HTTP request.")


def not_signed_in(reason: str) -> Page:
    """Returns the page that says why the sign-in failed."""
    return Page(HTTPStatus.OK, "Not signed in", reason)
