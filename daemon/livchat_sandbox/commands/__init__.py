"""The commands of docs/remote-commands.md, run on a simulated machine."""
