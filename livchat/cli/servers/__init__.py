"""The commands on servers: made, looked at, used over SSH, deleted."""
