"""What the loopback model is asked, and what it answers."""

from signedin.loopback import ModelRequest, Text, ToolCall

SHORT_PROMPT = "five words"
TOOL_PROMPT = "tool once"
"""Asks for a call of the tool `echo`, and then for the short answer."""

SHORT_ANSWER = "one two three four five"


def long_prompt(deltas: int) -> str:
    """Asks for an answer in so many deltas."""
    return f"deltas {deltas}"


def long_answer(deltas: int) -> str:
    """The answer to that, as a whole."""
    return "".join(map(str, Text.deltas(deltas).text))


def answer(request: ModelRequest) -> Text | ToolCall:
    """Answers a request; the second word of a prompt says how."""
    kind, _, count = request.prompt.partition(" ")
    if kind == "tool" and not request.tool_outputs:
        return ToolCall("echo", {"text": "hello"})
    return Text.deltas(int(count)) if kind == "deltas" else Text(SHORT_ANSWER)
