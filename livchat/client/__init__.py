"""The daemon's API as Python: a method for each route, a file for each noun, over the transport."""
