"""HTTP: routes in, orchestrator call, HTTP out."""
