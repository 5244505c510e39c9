"""What a person gives: options, settings, secrets, files, and the consent to a price."""
