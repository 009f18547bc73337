"""The release number and the version of the dataset format that this release writes."""

__version__ = "0.1.0"
FORMAT_VERSION = 1
