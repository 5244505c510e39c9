"""The Docker engine of a simulated machine."""
