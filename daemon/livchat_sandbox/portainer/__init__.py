"""Portainer on a simulated machine."""
