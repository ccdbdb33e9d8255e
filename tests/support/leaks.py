"""Looks for planted secrets in all that a program leaves behind."""

import traceback
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import msgspec

from signedin import Event, RunResult, SignedinError
from support.folders import contents_below


class Leaks:
    """What was looked at, and the places in which a secret was found.

    Args:
        secrets: What must be nowhere.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        self.seen: set[str] = set()
        self.found: list[str] = []

    def look(self, place: str, *texts: str) -> None:
        """Looks at texts."""
        self.seen.add(place)
        for text in texts:
            for secret in self._secrets:
                if (at := text.find(secret)) >= 0:
                    self.found.append(f"{place}: …{text[max(0, at - 200) : at + len(secret)]}")

    def look_at_events(self, events: Iterable[Event]) -> None:
        """Looks at events in every form a caller can give them."""
        for event in events:
            kind = type(event).__name__
            self.look(f"repr of {kind}", repr(event), str(event))
            self.look(f"text of {kind}", event.text)
            self.look(f"JSON of {kind}", msgspec.json.encode(event).decode())
            self.look(f"raw of {kind}", repr(event.raw))

    def look_at_result(self, result: RunResult[object]) -> None:
        """Looks at a result and its events."""
        self.look("result", repr(result), str(result), result.text)
        self.look_at_events(result.events)

    def look_at_error(self, error: BaseException) -> None:
        """Looks at an exception, whatever hangs on it, and what a traceback shows of it."""
        own = [str(value) for name, value in vars(error).items() if name != "result"]
        self.look("error", str(error), repr(error), *own, *getattr(error, "__notes__", []))
        self.look("traceback", "".join(traceback.format_exception(error)))
        if isinstance(error, SignedinError) and error.result is not None:
            self.look_at_result(error.result)

    def look_at_files(self, folder: Path, *, besides: Iterable[str]) -> None:
        """Looks at all files below a folder, besides those that fit one of the patterns."""
        patterns = tuple(besides)
        for path, content in sorted(contents_below(folder)):
            name = str(path.relative_to(folder))
            if not any(fnmatch(name, pattern) for pattern in patterns):
                self.look(f"file {name}", content.decode("utf-8", "replace"))
