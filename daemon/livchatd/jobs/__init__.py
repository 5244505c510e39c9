"""The job engine: durable jobs made of steps. It knows nothing of servers and apps."""
