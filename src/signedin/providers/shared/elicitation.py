"""Questions of MCP servers for the user: a form to fill in, or an address to visit."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from signedin.model.approvals import Answers, Host, Question, QuestionOption, question_events
from signedin.model.events import Event

Action: TypeAlias = Literal["accept", "decline", "cancel"]

_CONSENT = "consent"
_ACCEPT = "Accept"
_FORMATS: Mapping[str, object] = {
    "date": dt.date,
    "date-time": dt.datetime,
    "email": Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")],
    "uri": Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$")],
}


class Elicited(Struct, frozen=True):
    """The answer to an MCP server, and the events the caller sees.

    Attributes:
        action: What the user did.
        content: The form as it was filled in, if there was one and it was accepted.
        events: The events that report it.
    """

    action: Action
    content: Mapping[str, object] | None
    events: list[Event]


class Elicitation(Struct, frozen=True, kw_only=True):
    """What an MCP server wants from the user.

    Attributes:
        server: The server.
        message: What it says.
        schema: The JSON Schema of the form: an object of strings, numbers, booleans and choices.
        url: The address to visit, in place of a form.
    """

    server: str
    message: str
    schema: Mapping[str, object] = {}
    url: str | None = None

    async def ask(self, host: Host, payload: msgspec.Raw) -> Elicited:
        """Asks the host. What does not fit the form is not sent, and the caller is warned."""
        questions: tuple[Question, ...] = ()
        answers = content = None
        action: Action = "cancel"
        problem = ""
        try:
            form = msgspec.convert({} if self.url else self.schema, _Form)
            questions = self._questions(form)
            answers = await host.answer(questions)
            action, content = _answered(form, answers)
        except (msgspec.ValidationError, TypeError, ValueError, re.error) as error:
            answers = None
            problem = f"nothing was sent to the MCP server {self.server!r}: {error}"
        if self.url:
            content = None
        events = question_events(questions, answers, self.server, payload, problem=problem)
        return Elicited(action, content, events)

    def _questions(self, form: _Form) -> tuple[Question, ...]:
        if not form.properties:
            options = (QuestionOption(_ACCEPT), QuestionOption("Decline"))
            consent = Question(
                id=_CONSENT, text=self.message, options=options, server=self.server, url=self.url
            )
            return (consent,)
        schemas = cast("Mapping[str, Mapping[str, object]]", self.schema["properties"])
        return tuple(
            Question(
                id=name,
                text=f"{self.message}\n{field.description}".strip(),
                header=field.title or name,
                options=tuple(QuestionOption(each.const, each.title) for each in field.choices),
                server=self.server,
                required=name in form.required,
                schema=schemas[name],
            )
            for name, field in form.properties.items()
        )


class _Choice(Struct, frozen=True):
    const: str
    title: str = ""


class _Field(Struct, frozen=True, rename="camel"):
    """A field of a form, as far as it limits what may be answered."""

    type: Literal["string", "integer", "number", "boolean", "array"] = "string"
    title: str = ""
    description: str = ""
    format: str | None = None
    pattern: str | None = None
    enum: list[str] = []
    enum_names: list[str] = []
    one_of: list[_Choice] = []
    any_of: list[_Choice] = []
    items: _Field | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None

    @property
    def choices(self) -> list[_Choice]:
        """What may be chosen from; nothing for a free answer."""
        if self.type == "boolean":
            return [_Choice("true"), _Choice("false")]
        titles = self.enum_names or [""] * len(self.enum)
        named = [_Choice(*each) for each in zip(self.enum, titles, strict=False)]
        return named or self.one_of or self.any_of or (self.items.choices if self.items else [])

    @property
    def values(self) -> object:
        """The type of its answers."""
        match self.type:
            case "boolean":
                return bool
            case "integer":
                return Annotated[int, Meta(ge=self.minimum, le=self.maximum)]
            case "number":
                return Annotated[float, Meta(ge=self.minimum, le=self.maximum)]
            case "array":
                each = cast("type[str]", self.items.values if self.items else str)
                return Annotated[
                    list[each], Meta(min_length=self.min_items, max_length=self.max_items)
                ]
            case "string" if self.choices:
                return Literal[tuple(choice.const for choice in self.choices)]
            case "string":
                free = Meta(
                    min_length=self.min_length, max_length=self.max_length, pattern=self.pattern
                )
                return _FORMATS.get(self.format or "", Annotated[str, free])


class _Form(Struct, frozen=True):
    properties: dict[str, _Field] = {}
    required: list[str] = []


def _answered(form: _Form, answers: Answers | None) -> tuple[Action, Mapping[str, object] | None]:
    """Returns what the user did, and the form as it was filled in."""
    if answers is None or not (form.properties or answers.get(_CONSENT) == _ACCEPT):
        return "decline", None
    if not form.properties:
        return "accept", {}
    given = {name: _listed(form.properties.get(name), value) for name, value in answers.items()}
    return "accept", msgspec.to_builtins(msgspec.convert(given, _filled_in(form), strict=False))


def _filled_in(form: _Form) -> type[Struct]:
    """The type of a form that is filled in."""
    names = {f"field_{number}": name for number, name in enumerate(form.properties)}
    types = {place: cast("type", form.properties[name].values) for place, name in names.items()}
    fields = [
        (place, kind)
        if names[place] in form.required
        else (place, cast("type", kind | msgspec.UnsetType), msgspec.UNSET)
        for place, kind in types.items()
    ]
    return msgspec.defstruct("Form", fields, rename=names, kw_only=True, forbid_unknown_fields=True)


def _listed(field: _Field | None, value: object) -> object:
    """The answer to a field; several choices may be one text, separated by commas."""
    if field and field.type == "array" and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value
