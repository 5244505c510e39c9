"""What is done: each file is one readable list of steps."""
