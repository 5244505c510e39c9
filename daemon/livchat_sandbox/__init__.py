"""A small cloud on the user's own machine; a stranger to the rest."""
