"""One conversation with the daemon: reached, and a job followed to its end."""
