"""Which login Claude Code uses."""
