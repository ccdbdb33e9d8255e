"""What a type checker has to refuse: a comment that silences nothing is an error itself."""

# pyright: reportUnusedExpression=false, reportUnknownMemberType=false

from signedin import (
    ApprovalRequest,
    Client,
    Decision,
    FileChange,
    Question,
    Retry,
    allow,
    deny,
    tool,
)


def decide(request: ApprovalRequest) -> Decision:
    if request.command is not None:
        return allow(changed="git status")
    if request.changes:
        return allow(changed=FileChange("a.txt", "add", "a"))
    return allow(changed={"query": "x", "most": 3}) if request.tool else deny("no")


def answer(questions: tuple[Question, ...]) -> dict[str, int | str]:
    return {question.id: 3 if question.schema else "three" for question in questions}


@tool
def weather(city: str, days: int = 1) -> str:
    return city * days


client = Client("codex")
client.run("x", on_approval=decide, on_question=answer, retry=Retry(max_retries=2), tools=[weather])
print(weather("Oslo").upper())

allow(changed=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
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
