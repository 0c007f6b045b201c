"""The command line: one thin module per command group; everything heavy is imported when a command runs."""
