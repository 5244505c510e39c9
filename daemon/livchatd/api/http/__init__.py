"""HTTP itself: bodies, queries, responses, errors, and the OpenAPI document."""
