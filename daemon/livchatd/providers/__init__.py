"""Where machines come from, behind one protocol."""
