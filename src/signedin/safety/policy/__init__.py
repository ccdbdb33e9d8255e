"""Rules that answer an agent's approvals before the caller is asked.

A rule allows, denies or asks. What an agent asks for is taken apart, a command into all programs it
starts; for each part the first rule that matches answers, and the strictest of these answers holds:
one denied part denies the request, and it is allowed only if every part is.
"""

from signedin.safety.policy.ready_made import no_network, only, readonly
from signedin.safety.policy.rules import Answer, Policy, Rule, allow, ask, deny

__all__ = ["Answer", "Policy", "Rule", "allow", "ask", "deny", "no_network", "only", "readonly"]
