"""What a type checker has to refuse: a comment that silences nothing is an error itself."""

# pyright: reportUnusedExpression=false, reportUnknownMemberType=false

from signedin import ApprovalRequest, Client, Decision, Retry, allow, deny, tool


def decide(request: ApprovalRequest) -> Decision:
    return allow if request.command else deny("no")


@tool
def weather(city: str, days: int = 1) -> str:
    return city * days


client = Client("codex")
client.run("x", on_approval=decide, retry=Retry(max_retries=2), tools=[weather])
print(weather("Oslo").upper())

client.run("x", model=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
client.run("x", modle="m")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
client.run("x", permissions="write")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
client.run("x", timeout="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
client.stream("x", model=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
client.session(modle="m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Client("codex", accont="work")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
weather(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
for event in client.stream("x"):
    event.command  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
    if event.kind == "message":
        event.exit_code  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    if event.kind == "comand":  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
        print(event)
