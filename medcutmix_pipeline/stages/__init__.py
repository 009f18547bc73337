"""The stages of a build: functions that take rows and return rows, and know nothing of Ray or the command line."""
