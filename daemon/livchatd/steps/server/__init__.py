"""A machine bought, reached, joined, deleted."""
