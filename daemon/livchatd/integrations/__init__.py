"""The systems we speak to, one file each; they do not know each other."""
