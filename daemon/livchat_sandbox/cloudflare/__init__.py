"""Cloudflare's API over the world."""
