"""How it is done: the steps, each file one subject."""
