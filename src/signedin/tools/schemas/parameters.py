"""The parameters of a Python function, as a model sees them and as it gives them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MethodType
from typing import cast, get_type_hints

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.events import JSON
from signedin.tools.schemas.annotations import describes_itself, with_description
from signedin.tools.schemas.normalise import merge
from signedin.tools.schemas.plain import Schema, required, with_definitions
from signedin.tools.schemas.python_types import builtins_of, shape_of_type, type_label
from signedin.tools.schemas.restore import restore
from signedin.tools.schemas.shape import UNUSABLE, MismatchError, Shape, below, reason, why_unusable

AnyFunction = Callable[..., object]

_NAMELESS = {
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments",
    inspect.Parameter.VAR_KEYWORD: "takes any named arguments",
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
}


class Parameters(msgspec.Struct, frozen=True):
    """What a function can be called with.

    Attributes:
        schema: The plain schema of an object with the arguments.
        shapes: The shape of each parameter.
    """

    schema: Schema
    shapes: Mapping[str, Shape[object]]

    def convert(self, arguments: JSON) -> dict[str, object]:
        """Returns the arguments a model gave as keyword arguments for the function.

        Raises:
            MismatchError: They do not fit.
        """
        given = restore(self.schema, {} if arguments is None else arguments)
        if not isinstance(given, dict):
            raise MismatchError([reason((), "expected an object with the arguments")])
        known = ", ".join(self.shapes) or "none"
        problems = [
            reason([name], f"there is no such parameter; the parameters are: {known}")
            for name in given
            if name not in self.shapes
        ]
        problems += [
            reason([name], "is missing") for name in required(self.schema) if name not in given
        ]
        converted: dict[str, object] = {}
        for name, shape in self.shapes.items():
            if name in given:
                try:
                    converted[name] = shape.decode(msgspec.json.encode(given[name]))
                except MismatchError as error:
                    problems += below(f"/{name}", error.reasons)
        if problems:
            raise MismatchError(problems)
        return converted


def parameters_of(
    function: AnyFunction, label: str, descriptions: Mapping[str, str], *, skip: int
) -> Parameters:
    """Reads the parameters of a function from its annotations.

    Args:
        function: Any callable with a signature.
        label: Names the function in errors.
        descriptions: Descriptions of the parameters by name; ``Annotated`` takes precedence.
        skip: How many of the first parameters are not the model's business.

    Raises:
        InvalidOptionError: A parameter cannot be given by a model, or has no usable annotation.
    """
    defs: Schema = {}
    shapes: dict[str, Shape[object]] = {}
    members: Schema = {}
    needed: list[JSON] = []
    for parameter in list(_signature(function, label).parameters.values())[skip:]:
        where = f"{label}: parameter {parameter.name!r}"
        if parameter.kind in _NAMELESS:
            how = _NAMELESS[parameter.kind]
            raise InvalidOptionError(f"{where} {how}, but a model gives each argument by name")
        annotation = _annotation(parameter, function, where)
        shape = shapes[parameter.name] = _shape(annotation, defs, where)
        text = descriptions.get(parameter.name)
        own = describes_itself(annotation)
        schema = with_description(shape.schema, text) if text and not own else shape.schema
        if parameter.default is parameter.empty:
            needed.append(parameter.name)
        else:
            schema = merge(schema, _default(parameter.default))
        members[parameter.name] = schema
    whole: Schema = {
        "type": "object",
        "properties": members,
        "required": needed,
        "additionalProperties": False,
    }
    return Parameters(with_definitions(whole, defs), shapes)


def _signature(function: AnyFunction, label: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidOptionError(f"{label} has no signature to read: {error}") from None


def _annotation(parameter: inspect.Parameter, function: AnyFunction, where: str) -> object:
    annotation: object = parameter.annotation
    if annotation is parameter.empty:
        raise InvalidOptionError(f"{where} has no annotation; give it a type, as in `x: str`")

    def carrier() -> None: ...

    carrier.__annotations__ = {parameter.name: annotation}
    try:
        hints = get_type_hints(carrier, _namespace(function), include_extras=True)
    except (NameError, SyntaxError, TypeError) as error:
        raise InvalidOptionError(
            f"{where} has an annotation that cannot be read: {error}; types that are named in "
            "strings (or below `from __future__ import annotations`) belong at the top of a module"
        ) from error
    return hints[parameter.name]


def _namespace(function: AnyFunction) -> dict[str, object]:
    while isinstance(function, partial):
        function = cast("partial[object]", function).func
    if isinstance(function, MethodType):
        function = function.__func__
    function = inspect.unwrap(function)
    if not hasattr(function, "__globals__"):
        function = type(function).__call__
    return getattr(function, "__globals__", {})


def _shape(annotation: object, defs: Schema, where: str) -> Shape[object]:
    try:
        return shape_of_type(annotation, defs)
    except UNUSABLE as error:
        label, why = type_label(annotation), why_unusable(error)
        raise InvalidOptionError(
            f"{where} has the type {label}, which a model cannot give: {why}"
        ) from error


def _default(value: object) -> Schema:
    """The default as the schema shows it; what has no JSON form is left for the function."""
    try:
        return {
            "default": cast("JSON", msgspec.to_builtins(value, str_keys=True, enc_hook=builtins_of))
        }
    except (TypeError, ValueError):
        return {}
