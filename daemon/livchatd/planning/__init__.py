"""From a request to parameters with every choice made."""
