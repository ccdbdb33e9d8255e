"""One turn with a program that speaks ACP, without signedin: as plain a client as can be.

Called as `bare_acp.py PROMPT PROGRAM ARGUMENT…`. Whatever the program asks for is refused.
"""

import json
import os
import subprocess
import sys

prompt, *command = sys.argv[1:]
with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:

    def send(**message: object) -> None:
        """Sends a message."""
        agent.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        agent.stdin.flush()

    def ask(number: int, method: str, **params: object) -> dict[str, object]:
        """Returns the answer to a request."""
        send(id=number, method=method, params=params)
        for line in agent.stdout:
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                return message["result"]
            if message.get("method") == "session/request_permission":
                options = message["params"]["options"]
                refusal = next(o["optionId"] for o in options if o["kind"].startswith("reject"))
                chosen = {"outcome": "selected", "optionId": refusal}
                send(id=message["id"], result={"outcome": chosen})
            elif "id" in message:
                send(id=message["id"], error={"code": -32601, "message": "refused"})
        raise EOFError(method)

    ask(1, "initialize", protocolVersion=1, clientCapabilities={})
    session = ask(2, "session/new", cwd=os.getcwd(), mcpServers=[])["sessionId"]  # noqa: PTH109
    ask(3, "session/prompt", sessionId=session, prompt=[{"type": "text", "text": prompt}])
    agent.stdin.close()
