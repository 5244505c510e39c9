"""The authoritative name server of the zones of the account."""
