"""What a model was asked: the recorded request, the same for every vendor's API."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct

_SECRET_NAME = re.compile(r"auth|cookie|key|secret|token|credential", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][\w-]* +(?=\S)")


class ToolOutput(Struct, frozen=True):
    """What a tool answered, as the agent sent it to the model.

    Attributes:
        call_id: The id of the call it answers.
        text: The text of the answer; pictures and other parts are left out.
    """

    call_id: str
    text: str


class Reading(Struct, frozen=True, kw_only=True):
    """What a vendor's API module reads out of a request body.

    Attributes:
        model: The model asked for; empty when none is named.
        prompt: The text of the last user message.
        tool_outputs: The tool answers that came after that message, in order.
        tools: The names of the tools offered to the model.
        conversation: How the vendor distinguishes conversations; empty when it does not.
    """

    model: str = ""
    prompt: str = ""
    tool_outputs: tuple[ToolOutput, ...] = ()
    tools: tuple[str, ...] = ()
    conversation: str = ""


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One request that reached the loopback server.

    Attributes:
        number: 1 for the first request of this server, 2 for the next, …
        received_at: When it was read, in Unix seconds.
        method: The HTTP method.
        path: Path and query below the server's address, secrets in the query masked.
        headers: By lower-case name, secrets masked: `"Bearer [masked:1f3a]"`.
        body: The decoded JSON body; empty when there was none or it was no JSON object.
        api: The API that answered, such as `"responses"`; empty for an unknown path.
        reading: What that API read out of the body.
        digests: What `credential_is` compares with; no credential can be read out of it.
    """

    number: int
    received_at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, object]
    api: str = ""
    reading: Reading = Reading()
    digests: frozenset[str] = frozenset()

    @property
    def model(self) -> str:
        """The model asked for; empty when none is named."""
        return self.reading.model

    @property
    def prompt(self) -> str:
        """The text of the last user message."""
        return self.reading.prompt

    @property
    def tool_outputs(self) -> tuple[ToolOutput, ...]:
        """The tool answers that came after the last user message, in order."""
        return self.reading.tool_outputs

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools offered to the model."""
        return self.reading.tools

    @property
    def conversation(self) -> str:
        """What the vendor uses to distinguish conversations; empty when nothing does."""
        return self.reading.conversation

    def credential_is(self, secret: str) -> bool:
        """Whether `secret` came with this request, in any header or query parameter.

        Only digests are stored, so a test can ask for a key it planted and no key is stored.
        """
        wanted = _digest(secret)
        return any(hmac.compare_digest(wanted, digest) for digest in self.digests)

    def __repr__(self) -> str:
        outputs = f", {len(self.tool_outputs)} tool outputs" if self.tool_outputs else ""
        prompt = f", prompt={self.prompt!r}" if self.api else ""
        return f"<ModelRequest {self.number}: {self.method} {self.path}{prompt}{outputs}>"


class Concealed(Struct, frozen=True):
    """Headers and path of a request with its secrets replaced by a mark.

    Attributes:
        headers: The headers, secrets masked.
        path: The path and query, secrets masked.
        digests: SHA-256 of every header and query value, with and without its scheme.
    """

    headers: dict[str, str]
    path: str
    digests: frozenset[str]

    @classmethod
    def of(cls, headers: Mapping[str, str], path: str) -> "Concealed":
        """Mask `headers` (by lower-case name) and the query of `path`."""
        parts = urlsplit(path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        masked = [(name, _masked(name, value)) for name, value in query]
        return cls(
            headers={name: _masked(name, value) for name, value in headers.items()},
            path=path
            if masked == query
            else urlunsplit(parts._replace(query=urlencode(masked, safe="[]:"))),
            digests=frozenset(
                _digest(text)
                for value in [*headers.values(), *(value for _, value in query)]
                for text in (value, _SCHEME.sub("", value, count=1))
            ),
        )


def _masked(name: str, value: str) -> str:
    """`value`, or for the name of a secret its scheme and four digits of its digest."""
    if not value or not _SECRET_NAME.search(name):
        return value
    scheme = _SCHEME.match(value)
    prefix = scheme[0] if scheme else ""
    return f"{prefix}[masked:{_digest(value.removeprefix(prefix))[-4:]}]"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
