"""A program that asks ChatGPT is killed in the middle."""

import json
import subprocess
import sys
from pathlib import Path

from signedin import Client
from signedin.loopback import Hold, LoopbackModel, Text

PROGRAM = """
import json, sys
from signedin import Client
with Client("chatgpt", **json.loads(sys.argv[1])) as client:
    client.run("a question of weight")
"""


def test_what_was_asked_is_in_the_history_of_a_program_that_was_killed(
    tmp_path: Path,
) -> None:
    with LoopbackModel(Text(["half ", Hold("never"), "said"])) as model:
        options = model.client_options("chatgpt")
        command = [sys.executable, "-c", PROGRAM, json.dumps(options)]
        with subprocess.Popen(command, cwd=tmp_path) as program:
            model.wait_until_held("never", timeout=60)
            program.kill()
        with Client("chatgpt", cwd=tmp_path, **options) as client:
            [info] = client.sessions(cwd=tmp_path).sessions
            [turn] = client.session(resume=info.id).history()
            assert (turn.prompt, turn.reason) == ("a question of weight", "interrupted")
            model.release("never")
            assert client.run("again", resume="latest").text == "half said"
        asked = [item.get("role") for item in model.requests[-1].body["input"]]
        assert asked == ["user", "user"]
