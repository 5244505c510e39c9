"""Commands about this machine: the process of the daemon, the sandbox, the MCP bridge."""
