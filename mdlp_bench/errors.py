"""The errors users see: one line that names what is at fault and what to do about it."""

from __future__ import annotations


class MdlpBenchError(Exception):
    """Base of every error raised on purpose; the command line prints it as one line, exit code 2."""


class DataError(MdlpBenchError):
    """A file, folder or table is not what the data format asks for."""


class PlateError(DataError):
    """A text is not a plate of the grammar."""


class MethodError(MdlpBenchError):
    """A restoration method cannot be found or loaded, or returned something that is not its contract."""


class ReaderError(MdlpBenchError):
    """A text reader cannot be found, loaded or run."""


class MissingDependencyError(MdlpBenchError):
    """An optional package is not installed; the message says how to install it."""


class MissingWeightsError(MdlpBenchError):
    """A weight file is not at hand; the message says which file goes where."""


class ProtocolError(MdlpBenchError):
    """Scores of different protocols, readers or data sets were about to be mixed."""


class RunError(MdlpBenchError):
    """A run or prediction folder is incomplete, damaged or of another schema version."""


class SubmissionError(MdlpBenchError):
    """A leaderboard submission breaks the rules of its format."""
