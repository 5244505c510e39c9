"""What a person has to agree to first: the question that names it, and the ways to ask it."""
