"""``output=`` is the type of ``result.output``, however the turn is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, assert_type

from signedin import AsyncClient, Client, RunResult


@dataclass
class Verdict:
    related: bool
    why: str


class Point(TypedDict):
    x: int


client = Client("codex")
assert_type(client.run("x"), RunResult[None])
assert_type(client.run("x", output=Verdict), RunResult[Verdict])
assert_type(client.run("x", output=Point).output, Point)
assert_type(client.run("x", output=list[Verdict]).output, list[Verdict])
assert_type(client.run("x", output=dict[str, int]).output, dict[str, int])
assert_type(client.run("x", output={"type": "object"}).output, object)
print(client.run("x", output=int | None).output)
print(client.run("x", output=Literal["yes", "no"]).output)

assert_type(client.stream("x").result().output, None)
assert_type(client.stream("x", output=Verdict).result().output, Verdict)
print(client.stream("x", output=int | None).result().output)
with client.stream("x", resume="latest", output=list[Verdict]) as turn:
    assert_type(turn.result().output, list[Verdict])

for outcome in client.map(["a"], output=Verdict):
    assert_type(outcome.unwrap().output, Verdict)
    assert_type(outcome.result, RunResult[Verdict] | None)
assert_type([outcome.unwrap().output for outcome in client.map(["a"])], list[None])
print([outcome.unwrap().output for outcome in client.map(["a"], output=Literal["yes", "no"])])

with client.session() as session:
    assert_type(session.run("x", output=Verdict).output, Verdict)
    assert_type(session.stream("x").result().output, None)
    assert_type(session.stream("x", output=Verdict).result().output, Verdict)
    print(session.run("x", output=int | None).output)
    print(session.stream("x", output=Literal["yes", "no"]).result().output)


async def ask(schema: Mapping[str, object] | None) -> None:
    async with AsyncClient("codex") as agent, agent.session() as session:
        assert_type(await agent.run("x", output=Verdict), RunResult[Verdict])
        assert_type(await agent.stream("x", output=Verdict), RunResult[Verdict])
        assert_type((await agent.stream("x").result()).output, None)
        async for outcome in agent.map(["a"], output=Verdict):
            assert_type(outcome.unwrap().output, Verdict)
        assert_type((await session.run("x", output=Verdict)).output, Verdict)
        assert_type((await session.stream("x", output=Verdict)).output, Verdict)
        assert_type((await agent.run("x", output=schema)).output, object)
        print(await agent.run("x", output=int | None))
        print(await agent.stream("x", output=Literal["yes", "no"]))
        print([each async for each in agent.map(["a"], output=int | None)])


batch = client.batch([{"id": 1}], prompt="{id}", journal="x.db", output=Verdict)
for row in batch.run():
    assert_type(row.unwrap().output, Verdict)
for record in batch.records():
    assert_type(record.output, Verdict | None)
for failed in batch.failed().records():
    print(failed.output, failed.error)
