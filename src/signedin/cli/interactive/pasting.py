"""What is pasted: long texts, shown folded, and images."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, FilterOrBool
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from signedin.cli.interactive.mentions import is_image, mention
from signedin.model.errors import SignedinError
from signedin.runtime.temporary import TemporaryFolder
from signedin.tools.content import image_type
from signedin.wire.capture import capture

_MOST_LINES = 10
_MOST_CHARACTERS = 2_000
"""Of a pasted text that is shown as it is."""

_LONGEST_PATH = 4_096
"""Characters of a pasted text that may be a path."""

_CLIPBOARD = (
    ("wl-paste", "--type", "image/png"),
    ("xclip", "-selection", "clipboard", "-target", "image/png", "-out"),
    ("pngpaste", "-"),
)
"""Programs that write the image of the clipboard."""

_CLIPBOARD_SECONDS = 5.0


class Pasting:
    """Texts that stand folded in the line, and images from the clipboard.

    Args:
        remark: Shows the user why there is no image.
        lend: Leaves the terminal to an editor for a while.
    """

    def __init__(
        self, remark: Callable[[str], None], lend: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._remark = remark
        self._lend = lend
        self._texts: dict[str, str] = {}
        self._images: TemporaryFolder | None = None

    def whole(self, line: str) -> str:
        """Returns a line with the texts that are folded in it."""
        if not self._texts:
            return line
        names = "|".join(map(re.escape, self._texts))
        return re.sub(names, lambda found: self._texts[found[0]], line)

    def forget(self) -> None:
        """Forgets the texts, which were sent."""
        self._texts.clear()

    def close(self) -> None:
        """Removes the images."""
        if self._images is not None:
            self._images.cleanup()

    def keys(self, typing: FilterOrBool) -> KeyBindings:
        """Returns what the keys do.

        Args:
            typing: When they do so.
        """
        keys = KeyBindings()
        after_fold = Condition(lambda: self._fold_before(get_app().current_buffer) is not None)
        keys.add(Keys.BracketedPaste, filter=typing)(self._on_paste)
        keys.add("c-v", filter=typing)(self._on_image)
        keys.add("backspace", filter=after_fold)(self._on_backspace)
        keys.add("c-g", filter=typing)(self._on_editor)
        keys.add("c-x", "c-e", filter=typing)(self._on_editor)
        return keys

    def _on_paste(self, event: KeyPressEvent) -> None:
        pasted = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(_mentioned_image(pasted) or self._folded(pasted))

    def _folded(self, text: str) -> str:
        lines = text.count("\n") + 1
        if lines <= _MOST_LINES and len(text) <= _MOST_CHARACTERS:
            return text
        size = f"{lines:,} lines" if lines > 1 else f"{len(text):,} characters"
        name, number = f"[pasted {size}]", 1
        while self._texts.get(name, text) != text:
            number += 1
            name = f"[pasted {size}, {number}]"
        self._texts[name] = text
        return name

    def _fold_before(self, buffer: Buffer) -> str | None:
        before = buffer.document.text_before_cursor
        return next((name for name in self._texts if before.endswith(name)), None)

    def _on_backspace(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        buffer.delete_before_cursor(len(self._fold_before(buffer) or ""))

    async def _on_editor(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        buffer.text = self.whole(buffer.text)
        with self._lend():
            await buffer.open_in_editor()

    async def _on_image(self, event: KeyPressEvent) -> None:
        try:
            data = await _clipboard_image()
        except (SignedinError, OSError) as error:
            self._remark(f"No image was pasted: {error}")
            return
        event.current_buffer.insert_text(f"{mention(self._stored(data))} ")
        event.app.invalidate()

    def _stored(self, image: bytes) -> str:
        if self._images is None:
            self._images = TemporaryFolder("pasted")
        folder = Path(self._images.name)
        number = len(list(folder.glob("pasted-*"))) + 1
        path = folder / f"pasted-{number}.png"
        path.write_bytes(image)
        return str(path)


def _mentioned_image(pasted: str) -> str | None:
    """Returns the mention of an image whose path was pasted, as terminals do for a dragged one."""
    if len(pasted) > _LONGEST_PATH:  # shlex takes seconds for long ones
        return None
    try:
        [word] = shlex.split(pasted)
        path = Path(word)
        if path.is_absolute() and is_image(path):
            return f"{mention(word)} "
    except (ValueError, OSError):
        pass
    return None


async def _clipboard_image() -> bytes:
    for program, *arguments in _CLIPBOARD:
        if found := shutil.which(program):
            ended = await capture([found, *arguments], env=os.environ, seconds=_CLIPBOARD_SECONDS)
            if image_type(ended.stdout) is None:
                raise SignedinError(f"there is none in the clipboard, says {program}")
            return ended.stdout
    names = ", ".join(program for program, *_ in _CLIPBOARD)
    raise SignedinError(f"none of {names} is installed, which read it from the clipboard")
