"""SSH of a simulated machine."""
