"""Errors that are a person's to mend. The command line prints them as one line and exits with their code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell."""

    DONE = 0
    DATA = 1
    """What was named is there and is at fault, or the machine is: mend that, and make the same call again."""
    USAGE = 2
    """An option, a setting, or the name of something that is not there: make another call."""
    INTERRUPTED = 130


class PipelineError(Exception):
    """A failure with a message for people: what is wrong, where, and how to mend it, in one line.

    The message never carries anything from a report or an identifier of a patient.
    """

    exit_code = ExitCode.DATA


class DataError(PipelineError):
    """The input or a dataset on disk is at fault."""

    exit_code = ExitCode.DATA


class UsageError(PipelineError):
    """The call or the configuration is at fault, or what they name is not there."""

    exit_code = ExitCode.USAGE
