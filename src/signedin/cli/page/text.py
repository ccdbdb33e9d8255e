"""Text of agents and commands, made safe to show on a page."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import (
    get_lexer_by_name,  # pyright: ignore[reportUnknownVariableType] - a gap in its stubs
)
from pygments.util import ClassNotFound

from signedin.cli.visible import printable
from signedin.model.redact import redact

_LINKED = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_LONGEST_HIGHLIGHTED = 50_000


def clean(text: str) -> str:
    """Returns text without secrets and without anything that hides what it says."""
    text = text.encode("utf-8", "replace").decode()  # lone surrogates have no place in a file
    return redact(printable(text))


def markdown(text: str) -> Markup:
    """Returns Markdown as HTML: raw HTML is text, and only web and mail addresses are links."""
    return Markup(_markdown().render(clean(text)))  # noqa: S704 - html is off, links are checked


@cache
def _markdown() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda url: True  # noqa: ARG005 - see _link_opened, which shows the rest
    parser.add_render_rule("link_open", _link_opened)
    parser.add_render_rule("link_close", _link_closed)
    parser.add_render_rule("image", _image)
    return parser


def _link_opened(
    renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Agents also link to files, which a page cannot open: those are shown with their address."""
    del renderer, options, env
    address = str(tokens[index].attrGet("href") or "")
    if _LINKED.match(address):
        return f'<a href="{escape(address)}" rel="noreferrer noopener nofollow">'
    return f'<span class="address" title="{escape(address)}">'


def _link_closed(
    renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    del renderer, options, env
    opened = next(token for token in reversed(tokens[:index]) if token.type == "link_open")
    return "</a>" if _LINKED.match(str(opened.attrGet("href") or "")) else "</span>"


def _image(
    renderer: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Nothing is loaded from anywhere: an image is shown as its description."""
    token = tokens[index]
    description = renderer.renderInlineAsText(token.children, options, env)
    address = token.attrGet("src")
    return f'<span class="address" title="{escape(str(address))}">{escape(description)}</span>'


def _highlighted(code: str, language: str, attributes: str) -> str:
    """Code with its words marked up; empty, which leaves it plain, if the language is unknown."""
    del attributes
    if not language or len(code) > _LONGEST_HIGHLIGHTED:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="h-"))
