"""The contract between clients and the daemon: requests and responses as pydantic models."""
