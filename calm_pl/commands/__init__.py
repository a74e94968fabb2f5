"""The command line, one file a sub-command. Floor 5."""
