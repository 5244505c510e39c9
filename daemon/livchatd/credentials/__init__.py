"""Tokens and passwords: tried, kept, used."""
