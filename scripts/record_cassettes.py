"""Records the scenarios of `tests/contract/scenarios` with the installed agents.

    python scripts/record_cassettes.py                      # every way to drive every agent
    python scripts/record_cassettes.py claude-cli-2.1.331   # one of them
    python scripts/record_cassettes.py claude-cli-2.1.331 one_shot

It prints what changed in the turns since the last recording.
"""

import re
import sys
import tempfile
import traceback
import uuid
from difflib import unified_diff
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from signedin.providers.registry import load_provider
from support.cassette_scenarios import FOLDER, Cast, NotingStage, Outcome, recorded_by
from support.folders import outside_of_sandboxes
from support.rows import WITH_COPILOT, Row
from support.scenarios import keywords_of

LISTED = {
    *("agents", "available_output_styles", "availableCommands", "capabilities", "commands"),
    *("models", "plugins", "skills", "slash_commands", "terminal_slash_commands", "tools"),
}
"""What an agent lists of itself at every start; one entry of each list shows its form.

That is the last one: the first of the models of Claude Code is none.
"""

UNREAD = {"command_lifecycle", "thread/status/changed"}
"""Frequent messages that signedin does not look at."""

OF_THE_RECORDER = re.compile(rb'"sent":.*(<home:>/\.(?!signedin-test-)[^"]*)')
"""What we say because of who records, such as that skills of ``~/.codex`` are not for the agent."""


def record(row: Row, name: str) -> None:
    """Records one scenario of one row; one that is refused at once leaves nothing."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as made, outside_of_sandboxes() as work:
        with NotingStage(row.provider, outcome) as stage:
            keywords = keywords_of(row, stage, work, f"recording-{uuid.uuid4()}")
            with Cast(row, name, keywords, Path(made)) as cast:
                cast.play(stage, work, outcome)
        (FOLDER / row.name).mkdir(exist_ok=True)
        tapes = {path.name: shortened(path.read_bytes()) for path in Path(made).iterdir()}
        for file, tape in tapes.items():
            if found := OF_THE_RECORDER.search(tape):
                raise ValueError(f"{found[1].decode()} is recorded; move it away and record again")
            (FOLDER / row.name / file).write_bytes(tape)
        show_change(row, name, outcome.encoded(work) if tapes else "")


def shortened(tape: bytes) -> bytes:
    """Leaves out what every start or turn repeats, and signedin does not look at."""
    entries = [msgspec.json.decode(line) for line in tape.splitlines()]
    kept = [
        {**entry, "got": _with_short_lists(entry["got"])} if "got" in entry else entry
        for entry in entries
        if _is_read(entry.get("got"))
    ]
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in kept)


def _with_short_lists(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: each[-1:] if key in LISTED and isinstance(each, list) else _with_short_lists(each)
            for key, each in value.items()
        }
    return [_with_short_lists(each) for each in value] if isinstance(value, list) else value


def _is_read(got: object) -> bool:
    """Whether it may matter; what Codex tells its model before a prompt does not."""
    if not isinstance(got, dict):
        return True
    if got.get("method") == "rawResponseItem/completed":
        return got["params"]["item"].get("role") not in {"developer", "user"}
    return got.get("method", got.get("type")) not in UNREAD


def show_change(row: Row, name: str, after: str) -> None:
    """Stores what came of a scenario, and prints what has changed in it."""
    place = FOLDER / row.name / f"{name}.json"
    before = place.read_text("utf-8") if place.exists() else ""
    if after:
        place.write_text(after, "utf-8")
    state = "as before" if before == after else "changed" if before else "new"
    print(f"{row.name} {name}: {state if after else 'refused'}", flush=True)
    if before:
        lines = before.splitlines(), after.splitlines()
        print("\n".join(unified_diff(*lines, "before", "now", lineterm="")))


def main(arguments: list[str]) -> None:
    """Records what the arguments name."""
    rows = [row for row in WITH_COPILOT if not arguments or row.name == arguments[0]]
    if not rows:
        sys.exit(
            f"there is no {arguments[0]}: choose of {', '.join(row.name for row in WITH_COPILOT)}"
        )
    for row in rows:
        if load_provider(row.provider).transports[row.transport].cassette:
            for name in arguments[1:] or recorded_by(row):
                try:
                    record(row, name)
                except Exception:
                    print(f"{row.name} {name}: FAILED", flush=True)
                    traceback.print_exc()


if __name__ == "__main__":
    main(sys.argv[1:])
