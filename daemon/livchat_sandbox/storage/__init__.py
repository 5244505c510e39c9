"""The sandbox's world on disk."""
