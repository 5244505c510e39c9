"""A command's way with the daemon: connected to it, and a job followed to its end."""
