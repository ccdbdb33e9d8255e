"""What is reported of a decided request."""

import msgspec
import pytest

from signedin import ApprovalEvent, ApprovalRequest, Decision, WarningEvent, allow, deny
from signedin.model.approvals import UNATTENDED, approval_events

PAYLOAD = msgspec.Raw(b"{}")
REQUEST = ApprovalRequest(subject="command", item_id="c", command="touch x", reason="must")


@pytest.mark.parametrize("decision", [allow, deny("not today")])
def test_what_somebody_decided_is_told_without_a_warning(decision):
    [event] = approval_events(REQUEST, decision, PAYLOAD)
    assert isinstance(event, ApprovalEvent)
    assert (event.item_id, event.text, event.decision) == ("c", "touch x", decision.verdict)


@pytest.mark.parametrize(
    ("decision", "warning"),
    [
        (
            UNATTENDED,
            "denied command 'touch x': no approval callback is set; "
            "pass on_approval= to decide, or give more permissions=",
        ),
        (
            Decision("deny", "it is night", hint="come back tomorrow"),
            "denied command 'touch x': it is night; come back tomorrow",
        ),
    ],
)
def test_a_denial_with_a_hint_is_told_as_a_warning(decision, warning):
    asked, warning_event = approval_events(REQUEST, decision, PAYLOAD)
    assert isinstance(asked, ApprovalEvent)
    assert asked.decision == "deny"
    assert isinstance(warning_event, WarningEvent)
    assert warning_event.text == warning
