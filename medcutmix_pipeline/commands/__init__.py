"""The commands, a module for each: what a person asks for, handed to the part that does it."""
