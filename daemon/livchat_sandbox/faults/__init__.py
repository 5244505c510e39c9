"""Faults by name: what may go wrong, where and how often."""
