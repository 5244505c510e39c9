"""Tables and records for a person: one file a noun, over plain columns of text."""
