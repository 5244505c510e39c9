"""The account: one world behind all protocols."""
