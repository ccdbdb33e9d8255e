"""What it costs to import each package: time, and the peak memory of the process."""

import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.measurements.base import Aim, Measurement
from benchmarks.sampling import Contestant, Sample
from benchmarks.stage import PROGRAMS, Stage


class Importer(NamedTuple):
    """Imports in a new process, again and again."""

    name: str
    python: Path
    statement: str
    env: Mapping[str, str]

    def once(self) -> Sample:
        command = [self.python, PROGRAMS / "import_one.py", self.statement]
        output = subprocess.run(command, env=self.env, capture_output=True, text=True, check=True)
        seconds, megabytes = map(float, output.stdout.split())
        return {"import": seconds, "rss": megabytes}


@contextmanager
def _open(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    env = stage.environment("imports")
    yield [
        Importer("bare python", stage.ours, "pass", env),
        Importer("import signedin", stage.ours, "import signedin", env),
        Importer("asyncio and msgspec", stage.ours, "import asyncio, msgspec", env),
        Importer("from signedin import Client", stage.ours, "from signedin import Client", env),
        Importer("oauthpy", stage.peers, "import oauthpy", env),
        Importer("openai_codex", stage.peers, "import openai_codex", env),
    ]


MEASUREMENT = Measurement(
    name="import",
    title="Importing the package in a new process",
    open=_open,
    rounds=15,
    quick_rounds=3,
    aims=(
        Aim("import", "from signedin import Client", 0.8, "oauthpy"),
        Aim("rss", "from signedin import Client", 0.9, "oauthpy"),
    ),
)
