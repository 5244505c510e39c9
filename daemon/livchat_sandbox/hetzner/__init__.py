"""Hetzner Cloud's API over the world."""
