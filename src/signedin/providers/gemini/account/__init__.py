"""Which login Gemini CLI uses, and who pays for it."""
