"""The listening sockets, their limits for slow and unauthenticated clients, the token for TCP."""
