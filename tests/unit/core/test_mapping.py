"""Many prompts, once the plan is used up."""

from signedin.client.many import map_prompts
from signedin.model.errors import UsageLimitError
from signedin.model.results import RunResult


async def test_nothing_more_is_sent_once_the_plan_is_used_up() -> None:
    sent: list[str] = []

    async def run(prompt: str) -> RunResult[object]:
        sent.append(prompt)
        if prompt == "b":
            raise UsageLimitError("five hours are used up", resets_at=7.0, plan="pro")
        return RunResult(
            provider="p",
            transport="t",
            session_id=None,
            turn_id=None,
            model=None,
            cwd="/",
            text=prompt,
            output=None,
            events=(),
            usage=None,
            reason="completed",
            elapsed=0.0,
        )

    outcomes = [each async for each in map_prompts(run, "abcd", 1, ordered=True)]
    assert sent == ["a", "b"]
    assert [each.result and each.result.text for each in outcomes] == ["a", None, None, None]
    assert [str(each.error) for each in outcomes[1:]] == [
        "five hours are used up",
        "not sent, because the plan is used up: five hours are used up",
        "not sent, because the plan is used up: five hours are used up",
    ]
    refused = outcomes[3].error
    assert isinstance(refused, UsageLimitError)
    assert (refused.resets_at, refused.plan) == (7.0, "pro")
    assert outcomes[2].error is not refused
