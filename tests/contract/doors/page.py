"""The part of docs/doors.md that is made of what is declared."""

from collections.abc import Sequence

from contract.doors.declared import (
    DOORS,
    OLDER,
    TRIED,
    UNTRIED,
    WAYS,
    Way,
    cell,
    combinations,
    is_door,
)
from contract.doors.probes import probes_of

_WORDS = {"effect": "yes", "refused": "refused", "fixed": "fixed", "nothing": "nothing"}


def page() -> str:
    """Returns the doors, and a table per transport of what comes of everything at each."""
    named = "".join(f"- **{door}**: {meaning}\n" for door, meaning in DOORS.items())
    count = sum(1 for _ in combinations())
    tables = "".join(map(_section, WAYS.values()))
    return f"\n{named}\nThese are {count:,} combinations.\n{tables}\n"


def _section(way: Way) -> str:
    """The table of one transport; what fares alike is in one row."""
    reasons: list[str] = []
    rows: dict[tuple[str, ...], list[str]] = {}
    open_doors = [door for door in DOORS if is_door(way, door)]
    for name in way.names:
        cells = [cell(way, name, door) for door in open_doors]
        told = tuple(_WORDS[each.outcome] + _note(each.reason, reasons) for each in cells)
        rows.setdefault(told, []).append(f"`{name}`")
    lines = [("", *open_doors), ("---",) * (len(open_doors) + 1)]
    lines += [(" ".join(names), *told) for told, names in rows.items()]
    notes = [f"[{number}] {reason}" for number, reason in enumerate(reasons, 1)]
    probes = probes_of(way.name)
    if arguments := [f"`{name}`" for name in way.names if name in probes and probes[name].argued]:
        notes.append(
            f"Only seen in the arguments that the agent is started with: {' '.join(arguments)}"
        )
    if closed := [door for door in DOORS if not is_door(way, door)]:
        notes.append(f"Refused, whatever is given: {', '.join(closed)}")
    return f"\n### {way.name}\n\n{_tried(way)}\n{_table(lines)}" + "".join(
        ["\n" * bool(notes), *(f"- {note}.\n" for note in notes)]
    )


def _tried(way: Way) -> str:
    """Which programs it is held to, and where not at every door."""
    rows = {
        name: doors
        for name, doors in TRIED.items()
        if name.startswith(way.name.removeprefix("acp:"))
    }
    told = [
        f"`{name}` at {'every door' if len(doors) == len(DOORS) else ', '.join(doors)}"
        for name, doors in rows.items()
    ]
    told += [
        f"`{name}` not for `{OLDER[name][0]}`: {OLDER[name][1]}" for name in rows.keys() & OLDER
    ]
    untried = f" Not tried: {UNTRIED[way.name]}." if way.name in UNTRIED else ""
    return f"Held to {'; '.join(told)}.{untried}\n"


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _note(reason: str, reasons: list[str]) -> str:
    if not reason:
        return ""
    if reason not in reasons:
        reasons.append(reason)
    return f" [{reasons.index(reason) + 1}]"
