"""Gemini CLI, through the Agent Client Protocol or headless."""
