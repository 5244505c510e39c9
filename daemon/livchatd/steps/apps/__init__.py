"""An app on a swarm: deployed, watched, deleted."""
