"""One file a noun: each command parses, calls and shows."""
