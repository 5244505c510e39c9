"""The commands of docs/remote-commands.md, answered."""
