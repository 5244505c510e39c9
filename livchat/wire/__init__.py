"""What travels between clients and the daemon: the contract, as pydantic models."""
