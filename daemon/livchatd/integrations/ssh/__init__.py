"""SSH to servers; only here asyncssh is imported."""
