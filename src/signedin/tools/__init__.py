"""Python functions that an agent may call, and what they return."""
