"""Records the scenarios of `tests/support/cassette_scenarios.py` with the installed agents.

    python scripts/record_cassettes.py                      # every way to drive every agent
    python scripts/record_cassettes.py claude-cli-2.1.331   # one of them
    python scripts/record_cassettes.py claude-cli-2.1.331 one_shot

It prints what changed in the events since the last recording.
"""

import sys
import tempfile
import traceback
from difflib import unified_diff
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from signedin import Client
from signedin.providers.registry import load_provider
from support.cassette_scenarios import (
    FOLDER,
    SCENARIOS,
    able,
    encoded,
    loopback_keywords,
    script_of,
)
from support.rows import WITH_COPILOT, Row


def record(row: Row, name: str) -> None:
    """Records one scenario of one row, if the row can play it."""
    scenario = SCENARIOS[name]
    place = FOLDER / row.name / f"{name}.jsonl"
    with (
        tempfile.TemporaryDirectory() as work,
        loopback_keywords(row, script_of(scenario)) as keywords,
        Client(row.provider, cassette=place, cassette_mode="rewrite", **keywords) as client,
    ):
        if not able(row, scenario, client):
            return
        outcome = scenario.play(client, Path(work))
    results = place.with_suffix(".json")
    before = results.read_text("utf-8") if results.exists() else ""
    after = encoded(outcome, Path(work)).decode()
    results.write_text(after, "utf-8")
    changed = unified_diff(before.splitlines(), after.splitlines(), "before", "now", lineterm="")
    print(
        f"{row.name} {name}: {'as before' if before == after else 'changed' if before else 'new'}"
    )
    if before:
        print("\n".join(changed))


def main(arguments: list[str]) -> None:
    """Records what the arguments name."""
    rows = [row for row in WITH_COPILOT if not arguments or row.name == arguments[0]]
    if not rows:
        sys.exit(
            f"there is no {arguments[0]}: choose of {', '.join(row.name for row in WITH_COPILOT)}"
        )
    for row in rows:
        if load_provider(row.provider).transports[row.transport].cassette:
            for name in arguments[1:] or SCENARIOS:
                try:
                    record(row, name)
                except Exception:
                    traceback.print_exc()


if __name__ == "__main__":
    main(sys.argv[1:])
