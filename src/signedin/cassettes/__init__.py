"""Recorded messages between signedin and an agent, and their replay without the agent."""
