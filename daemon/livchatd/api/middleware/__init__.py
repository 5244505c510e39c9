"""Before every route: authorization, the audit log, idempotency keys."""
