"""From a bare system to a swarm with its base stacks."""
