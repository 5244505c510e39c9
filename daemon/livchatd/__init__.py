"""The daemon of LivChat Setup: it owns the orchestrator and the job table."""
