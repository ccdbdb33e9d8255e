"""The agents as an MCP server; started by ``signedin mcp``."""
