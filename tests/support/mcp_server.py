"""A small MCP server with one tool, which TOY_READ_ONLY marks as harmless."""

import json
import os
import sys

TOOL = {
    "name": "shout",
    "description": "Says it louder.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    },
}
if os.environ.get("TOY_READ_ONLY"):
    TOOL["annotations"] = {"readOnlyHint": True, "destructiveHint": False, "openWorldHint": False}


def answer(request: dict) -> dict:
    params = request.get("params", {})
    match request["method"]:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "toy", "version": "1"},
            }
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            text = params["arguments"]["text"].upper() + os.environ.get("TOY_SUFFIX", "")
            return {"content": [{"type": "text", "text": text}]}
        case _:
            return {}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        reply = {"jsonrpc": "2.0", "id": request["id"], "result": answer(request)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
