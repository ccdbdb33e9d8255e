"""Python functions that the agent calls."""

from datetime import date, timedelta

from signedin import Client, tool


@tool
def due_date(days: int, start: str | None = None) -> str:
    """Returns the date after a number of days.

    Args:
        days: How many days.
        start: First day as YYYY-MM-DD; today if not given.
    """
    first = date.fromisoformat(start) if start else date.today()  # noqa: DTZ011 - the user's own day
    return (first + timedelta(days=days)).isoformat()


with Client("codex") as client:
    print(client.run("When are 30 days from 2026-01-01 over?", tools=[due_date]).text)
