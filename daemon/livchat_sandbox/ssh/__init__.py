"""The SSH server of a simulated machine."""
