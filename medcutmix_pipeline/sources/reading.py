"""Reading the bytes and the text of an input: a local path or an fsspec URL, never more than a limit."""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import fsspec

from medcutmix_pipeline.errors import DataError, PipelineError, UsageError
from medcutmix_pipeline.sources.remote_errors import HTTP, is_gone, trouble

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Study

REMOTE = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "http", "https", "hdfs", "webhdfs", "hf", "oci", "memory"}
)
"""Protocols that a root or a manifest may name. Those that wrap other files (zip, simplecache, …) are not among them,
because through them a URL could name any local file."""

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EISDIR}


class UnusableInputError(ValueError):
    """This input cannot be used, however often it is read.

    `reason` is a stable code, `detail` a line without patient data.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[UnusableInputError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class ReadFailedError(DataError):
    """The storage failed, not the input: reading again may well succeed, so the input must not be rejected for it."""


def protocol(uri: str) -> str | None:
    """The protocol of a URL, in lower case; None for a local path."""
    head, sep, _ = uri.partition("://")
    return head.lower() if sep else None


@lru_cache(maxsize=64)
def filesystem(name: str) -> Any:
    """The fsspec file system of a protocol in `REMOTE`.

    Raises:
        UsageError: the protocol is not one of those, or the package that serves it is not installed.
    """
    if name not in REMOTE:
        raise UsageError(
            f"{name}:// is not a protocol that inputs are read from; known are {', '.join(sorted(REMOTE))}"
        )
    try:
        return fsspec.filesystem(name)
    except ImportError as error:
        raise UsageError(f"{name}:// needs a package that is not installed ({error})") from error


def read_bytes(uri: str, limit: int, kind: str = "image") -> bytes:
    """All bytes of the file at `uri`, at most `limit` of them.

    `kind` begins the reason codes.

    Raises:
        UnusableInputError: `KIND-missing`, `KIND-empty`, `KIND-too-large` or `KIND-unreadable` (no plain file, denied).
        ReadFailedError: the storage failed.
    """
    try:
        data = _read_local(uri, limit, kind) if protocol(uri) is None else _read_remote(uri, limit, kind)
    except (UnusableInputError, PipelineError):
        raise
    except OSError as error:
        raise _judged(error, kind, protocol(uri)) from None
    except Exception as error:  # each store has its own
        if protocol(uri) is None:
            raise
        raise _judged(error, kind, protocol(uri)) from None
    if len(data) > limit:
        raise UnusableInputError(f"{kind}-too-large", f"more than {limit} bytes")
    if not data:
        raise UnusableInputError(f"{kind}-empty", "the file has no bytes")
    return data


def read_report(study: Study, limit: int = 1 << 20) -> str:
    """The raw report of a study, from the record or from the file that it names.

    Raises:
        UnusableInputError: `report-missing`, `report-empty`, `report-too-large`, `report-unreadable` or
            `report-not-utf8`.
        ReadFailedError: the storage failed.
    """
    if study.report_uri is not None:
        try:
            text = read_bytes(study.report_uri, limit, "report").decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnusableInputError("report-not-utf8", "the report is not UTF-8 text") from None
        if "\0" in text:  # UTF-16 without a byte order mark, or no text at all
            raise UnusableInputError("report-not-utf8", "the report is not plain text: it has zero bytes")
    elif study.report is None:
        raise UnusableInputError("report-missing", "the source has no report for this study")
    else:
        text = study.report
        if len(text) > limit:
            raise UnusableInputError("report-too-large", f"more than {limit} characters")
    if not text.strip():
        raise UnusableInputError("report-empty", "the report has no text")
    return text


def _read_local(path: str, limit: int, kind: str) -> bytes:
    # No link is followed in the last step: sources name files by where they really are, so a link here is newer than
    # the listing. Not blocking, because opening a named pipe would wait for its writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise UnusableInputError(f"{kind}-unreadable", "not a plain file")
        if status.st_size > limit:
            raise UnusableInputError(f"{kind}-too-large", f"more than {limit} bytes")
        return file.read(limit + 1)


def _read_remote(uri: str, limit: int, kind: str) -> bytes:
    files = filesystem(protocol(uri) or "")
    path = files._strip_protocol(uri)
    size = files.info(path).get("size")
    if size is not None and size > limit:
        raise UnusableInputError(f"{kind}-too-large", f"more than {limit} bytes")
    if size == 0:
        return b""
    if size is None:
        with files.open(path, "rb") as file:
            return bytes(file.read(limit + 1))
    return bytes(files.cat_file(path))


def _judged(error: Exception, kind: str, scheme: str | None) -> Exception:
    """What an error means; its own text names the file, so nothing of it is passed on."""
    web, number = scheme in HTTP, error.errno if isinstance(error, OSError) else None
    if is_gone(error) if web else number in _GONE or isinstance(error, FileNotFoundError):
        return UnusableInputError(f"{kind}-missing", "no such file")
    if web or not isinstance(error, OSError):
        return ReadFailedError(f"an input could not be read: {trouble(error)}; run the build again to go on")
    if number in _REFUSED or isinstance(error, PermissionError):
        return UnusableInputError(f"{kind}-unreadable", "the file may not be read")
    name = errno.errorcode.get(number or 0, type(error).__name__)
    return ReadFailedError(f"the storage failed while an input was read ({name}); run the build again to go on")
