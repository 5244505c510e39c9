"""What a person types: options, prompts, settings, keys, and the consent to a price."""
