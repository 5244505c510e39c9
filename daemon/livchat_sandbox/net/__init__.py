"""Ports on loopback: listeners, dead ports, the front for browsers."""
