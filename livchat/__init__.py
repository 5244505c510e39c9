"""The command line of LivChat Setup, and all that a client of its daemon needs."""

__version__ = "0.1.0"
