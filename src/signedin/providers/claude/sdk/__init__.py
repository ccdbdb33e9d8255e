"""The ``claude-agent-sdk`` transport."""
