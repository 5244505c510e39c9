"""Ports on loopback: listeners, ports where nobody answers, resets."""
