"""Sort the rows of a CSV file into another one. Stop it with Ctrl-C; run it again to continue."""

import csv
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from signedin import Budget, BudgetExceededError, Client

SOURCE, TARGET, JOURNAL = Path("tickets.csv"), Path("sorted.csv"), Path("tickets.db")


class Ticket(BaseModel):
    """How a support ticket is to be handled."""

    category: Literal["bug", "praise", "billing"]
    urgency: int = Field(ge=1, le=5, description="1 is low, 5 is high")


if not SOURCE.exists():
    SOURCE.write_text("id,text\n1,The build is red.\n2,Thank you!\n")
with SOURCE.open(newline="") as file:
    rows = list(csv.DictReader(file))
with Client("codex") as client:
    batch = client.batch(
        rows,
        prompt="Classify this support ticket: {text}",
        key="id",
        journal=JOURNAL,
        output=Ticket,
        concurrency=4,
        budget=Budget(tokens=200_000),
    )
    try:
        for outcome in batch.run():
            print(outcome.key, outcome.error or outcome.unwrap().output.category)
    except (BudgetExceededError, KeyboardInterrupt) as stopped:
        print("stopped; run me again:", stopped)
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "category", "urgency"])
        for record in batch.records():
            if record.output is not None:
                writer.writerow([record.key, record.output.category, record.output.urgency])
