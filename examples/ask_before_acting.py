"""A person decides what the agent may do. Answer with y, n or s (for this session)."""

import sys

from signedin import ApprovalRequest, Client, Decision, allow, allow_for_session, deny


def ask(request: ApprovalRequest) -> Decision:
    """Asks on the terminal; anything but a clear yes is a no."""
    what = request.command or ", ".join(change.path for change in request.changes)
    print(f"The agent wants: {request.subject} {what} ({request.reason or 'no reason given'})")
    answer = input("[y/s/N] ") if sys.stdin.isatty() else "n"
    return {"y": allow, "s": allow_for_session}.get(answer, deny("the user said no"))


with Client("codex", on_approval=ask) as client:
    print(client.run("Write hello.txt", cwd=".").text)
