"""What can be deployed: definitions, their schema, the renderer, the resolver."""
