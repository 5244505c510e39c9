"""What is on a simulated machine."""
