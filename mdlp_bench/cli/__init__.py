"""The command line: one thin module a verb group; everything heavy is imported when a verb runs."""
