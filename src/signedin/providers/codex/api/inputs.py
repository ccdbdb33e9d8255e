"""The input of a turn: text, images, skills, mentions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from signedin.providers.codex.protocol import (
    ImageUserInput as ImageInput,
    LocalImageUserInput as LocalImageInput,
    MentionUserInput as MentionInput,
    SkillUserInput as SkillInput,
    TextUserInput as TextInput,
    UserInputParam,
)

__all__ = [
    "ImageInput",
    "Input",
    "InputPart",
    "LocalImageInput",
    "MentionInput",
    "SkillInput",
    "TextInput",
    "input_parts",
]

InputPart: TypeAlias = str | UserInputParam | Mapping[str, object]
"""A text, one of the input types, or an object in the wire's form."""

Input: TypeAlias = InputPart | Sequence[InputPart]
"""What a turn begins with: one part, or several."""


def input_parts(given: Input) -> list[UserInputParam]:
    """Returns an input as the list that the server takes.

    Raises:
        TypeError: It is something else.
    """
    if isinstance(given, str | UserInputParam | Mapping):
        return [_part(given)]
    if isinstance(given, list | tuple):
        return [_part(part) for part in given]
    raise _unusable(given)


def _part(given: object) -> UserInputParam:
    match given:
        case str():
            return TextInput(text=given)
        case UserInputParam():
            return given
        case Mapping():
            return cast("UserInputParam", given)  # encoded unchanged
        case _:
            raise _unusable(given)


def _unusable(given: object) -> TypeError:
    return TypeError(
        "input must be a str, a TextInput, ImageInput, LocalImageInput, SkillInput, MentionInput, "
        f"a mapping in the wire's form, or a list of these, not {type(given).__name__}"
    )
