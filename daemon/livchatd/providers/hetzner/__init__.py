"""Hetzner Cloud as a provider; only here hcloud is imported."""
