"""The ``gemini-cli`` transport."""
