"""The MCP bridge: sixteen tools for AI assistants, each a call of the daemon's API."""
