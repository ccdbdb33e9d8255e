"""Claude Code, driven through the control protocol of its own command line program."""
