"""Where the daemon listens, and how clients that are slow or unknown are held off."""
