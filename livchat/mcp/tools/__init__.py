"""The tools: one file a noun, all of them on the page of the registry."""
