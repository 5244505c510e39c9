"""The sandbox as a provider; only here it is started."""
