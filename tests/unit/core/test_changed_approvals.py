"""What an approval callback allows in place of what was asked for."""

from pathlib import Path

import msgspec
import pytest

from signedin import ApprovalRequest, Decision, FileChange, allow, allow_for_session
from signedin.client.callback_host import CallbackHost
from signedin.model.approvals import approval_events
from signedin.model.options import TurnOptions
from signedin.safety import policy
from support.turns import host_of

ADD = FileChange("/w/a.txt", "add", "a\n")
UPDATE = FileChange("/w/a.txt", "update", "@@ -1 +1 @@\n-a\n+b\n")
OTHER = FileChange("/w/b.txt", "add", "b")
MOVED = msgspec.structs.replace(UPDATE, path="/w/b")
COMMAND = ApprovalRequest(subject="command", item_id="c", command="ls", cwd="/w", changeable=True)
TOOL = ApprovalRequest(
    subject="tool", item_id="t", server="s", tool="find", arguments={"q": "x"}, changeable=True
)


def change(*changes: FileChange) -> ApprovalRequest:
    return ApprovalRequest(
        subject="file_change", item_id="f", changes=changes, cwd="/w", changeable=True
    )


def host(callback, *rules) -> CallbackHost:
    given = policy.Policy.of(rules) if rules else None
    return host_of(TurnOptions(cwd=Path("/w"), on_approval=callback, policy=given))


def replaced(request: ApprovalRequest, **fields: object) -> ApprovalRequest:
    return msgspec.structs.replace(request, **fields)


@pytest.mark.parametrize(
    ("request_", "changed", "wanted"),
    [
        (COMMAND, "pwd", {"command": "pwd"}),
        (TOOL, {"q": "y"}, {"arguments": {"q": "y"}}),
        (change(ADD), FileChange("b.txt", "add", "b"), {"changes": (OTHER,)}),
        (change(UPDATE), MOVED, {"changes": (MOVED,)}),
    ],
)
async def test_what_fits_is_allowed(request_, changed, wanted):
    decision = await host(lambda _: allow(changed=changed)).approve(request_)
    assert decision == Decision("allow", changed=changed)
    assert request_.changed_to(changed) == replaced(request_, **wanted)


FITS = {
    "command": "for a command it has to be a string that is not empty",
    "file": "for a file it has to be a FileChange of the same kind; that of an update may only "
    "have another path",
    "tool": "for a tool it has to be a mapping of all its arguments",
}


@pytest.mark.parametrize(
    ("request_", "changed", "reason"),
    [
        (COMMAND, " ", FITS["command"]),
        (COMMAND, {"command": "ls"}, FITS["command"]),
        (COMMAND, ADD, FITS["command"]),
        (change(ADD), "b.txt", FITS["file"]),
        (change(ADD), FileChange("/w/a.txt", "delete"), FITS["file"]),
        (change(ADD), FileChange("/w/a.txt", "add", "a\n", "/w/c"), FITS["file"]),
        (change(UPDATE), FileChange("/w/a.txt", "update", "other"), FITS["file"]),
        (change(ADD, UPDATE), ADD, "several files cannot be changed"),
        (TOOL, "y", FITS["tool"]),
        (replaced(TOOL, subject="network"), {"q": "y"}, "an address cannot be changed"),
        (replaced(TOOL, subject="permission"), {"q": "y"}, "a permission cannot be changed"),
    ],
)
async def test_what_does_not_fit_is_denied_and_reported(request_, changed, reason):
    decision = await host(lambda _: allow(changed=changed)).approve(request_)
    failed = f"on_approval failed: allow(changed={changed!r}) does not fit: {reason}"
    assert decision == Decision("deny", failed, "change on_approval")
    [event, warning] = approval_events(request_, decision, msgspec.Raw(b"{}"))
    assert (event.decision, event.changed) == ("deny", None)
    assert warning.text.endswith(f"{failed}; change on_approval")


@pytest.mark.parametrize("verdict", ["allow_for_session", "deny", "stop"])
async def test_only_allow_changes(verdict):
    decision = await host(lambda _: Decision(verdict, changed="pwd")).approve(COMMAND)
    assert decision.verdict == "deny"
    assert decision.reason.endswith(f"{verdict!r} cannot change what it decides, only allow can")


async def test_arguments_that_are_no_json_are_denied():
    decision = await host(lambda _: allow(changed={"q": object()})).approve(TOOL)
    assert decision.verdict == "deny"
    assert "Encoding objects of type object is unsupported" in decision.reason


async def test_a_rule_denies_what_a_callback_changes_to():
    rules = (policy.deny("rm *"), policy.deny(write="/etc/**"))
    decide = host(lambda _: allow(changed="env A=1 rm -rf x"), *rules)
    decision = await decide.approve(COMMAND)
    assert decision.verdict == "deny"
    assert decision.hint == "rule 1, deny(\"rm *\"), matches 'rm -rf x'"
    elsewhere = host(lambda _: allow(changed=FileChange("/etc/a", "add", "a\n")), *rules)
    assert (await elsewhere.approve(change(ADD))).verdict == "deny"


async def test_an_agent_that_takes_no_other_input_may_ask_for_exactly_that_once():
    asked: list[str | None] = []

    def decide(request):
        asked.append(request.command)
        return allow(changed="git status") if request.command == "ls" else allow_for_session

    one = host(decide)
    ask = replaced(COMMAND, changeable=False)
    decision = await one.approve(ask)
    note = "not as asked for. Allowed instead, if you ask for exactly this: git status"
    assert decision == Decision("deny", note, changed="git status")
    [event] = approval_events(ask, decision, msgspec.Raw(b"{}"))
    assert (event.decision, event.text, event.changed) == ("deny", "ls", "git status")
    wrapped = replaced(ask, command="/bin/bash -lc 'git status'", item_id="d", reason="as told")
    for near in (
        replaced(wrapped, command="git status -s"),
        replaced(wrapped, cwd="/elsewhere"),
        replaced(wrapped, unconfined=True),
        replaced(wrapped, permissions={"network": True}),
    ):
        assert (await one.approve(near)) is allow_for_session
    assert (await one.approve(wrapped)) is allow
    assert (await one.approve(wrapped)) is allow_for_session  # asked again
    assert len(asked) == 6


async def test_a_tool_whose_arguments_are_not_reported_cannot_be_changed():
    request = replaced(TOOL, arguments={}, changeable=False)
    decision = await host(lambda _: allow(changed={"q": "y"})).approve(request)
    assert decision.reason.endswith("does not say with which arguments it calls the tool")
