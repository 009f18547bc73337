"""From a DICOM file's stored values to what a viewer would show, 8 bits.

The grey-scale chain of the DICOM standard, PS3.3 C.7.6.3 (pixels), C.11.1 (modality LUT), C.11.2 (VOI LUT and window).
It is written out here because pydicom's own functions wrap indices of 8-bit tables with more than 256 entries and turn
the picture over where the slope is negative; tests compare both where both are right.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.stages.ingest.scaling import blocks, joined, span_of, stretched, to_8bit
from medcutmix_pipeline.stages.ingest.strays import TABLE, Counts, counts_of, without_strays

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydicom import Dataset

Values = npt.NDArray[Any]


def show(ds: Dataset, stored: Values) -> npt.NDArray[np.uint8]:
    """A greyscale picture as a viewer shows it, uint8 [H, W], 0 black.

    The first VOI LUT, else the first window, is applied; its output range becomes 0 to 255. Without one, with one that
    makes no sense (a width of 0 or less, a number that is not finite), and with one outside which all values lie, the
    least value becomes 0 and the greatest 255, but for strays. MONOCHROME1 is inverted. Padding is black and counts for
    nothing.
    """
    if np.issubdtype(stored.dtype, np.integer):
        low, high = int(stored.min()), int(stored.max())
        if high - low < TABLE:
            return _by_table(ds, stored, low, high)
    return _render(ds, stored)


def _by_table(ds: Dataset, stored: Values, low: int, high: int) -> npt.NDArray[np.uint8]:
    """Every step works on values, not on places: computing each value once is faster and takes less memory."""
    table = _render(ds, np.arange(low, high + 1, dtype=np.int64), _counts(ds, stored, low, high))
    shown = np.empty(stored.shape, np.uint8)
    for block in blocks(stored.shape):
        index = stored[block].astype(np.intp)
        index -= low
        np.take(table, index, out=shown[block], mode="clip")  # checking that none lies outside takes a third longer
    return shown


def _counts(ds: Dataset, stored: Values, low: int, high: int) -> Counts:
    """How often each value from `low` to `high` occurs.

    Slopes and windows keep the order of values or turn it over, so with a window, without a table and without padding
    the least and the greatest tell as much as all of them, and nobody has to go through the picture.
    """
    ordered = not ds.get("ModalityLUTSequence") and not ds.get("VOILUTSequence")
    if ordered and _number(ds.get("PixelPaddingValue")) is None:
        ends = _modality(ds, np.array([low, high], np.int64))
        if np.isfinite(ends).all() and _voi(ds, ends) is not None:
            counts = np.zeros(high - low + 1, np.int64)
            counts[[0, -1]] = 1
            return counts
    return counts_of(stored, low, high)


def _render(ds: Dataset, values: Values, counts: Counts | None = None) -> npt.NDArray[np.uint8]:
    """The values as they are shown; `counts`: how often each occurs, once each where it is None."""
    windowed, physical = [], []
    for block in blocks(values.shape):
        valid = ~_padding(ds, values[block])
        if counts is not None:
            valid &= counts[block] > 0
        stored = _modality(ds, values[block])
        physical.append(span_of(stored, valid))
        through = _voi(ds, stored)
        windowed.append(None if through is None else span_of(through, valid))
    window, span = joined(windowed), joined(physical)
    if counts is not None:
        span = without_strays(_modality(ds, values), np.where(_padding(ds, values), 0, counts))
    shown = np.empty(values.shape, np.uint8)
    for block in blocks(values.shape):
        stored = _modality(ds, values[block])
        valid = ~_padding(ds, values[block])
        through = _voi(ds, stored) if window is not None and window[0] < window[1] else None
        part = stretched(stored, span, valid) if through is None else through
        if ds.get("PhotometricInterpretation") == "MONOCHROME1":
            part = np.invert(part)
        shown[block] = np.where(valid, part, np.uint8(0))
    return shown


def _padding(ds: Dataset, values: Values) -> npt.NDArray[np.bool_]:
    """Where values only fill the frame around the picture (PS3.3 C.7.5.1.1.2)."""
    value = _padding_value(ds, "PixelPaddingValue")
    if value is None:
        return np.zeros(values.shape, bool)
    limit = _padding_value(ds, "PixelPaddingRangeLimit")
    ends = sorted((value, value if limit is None else limit))
    return (values >= ends[0]) & (values <= ends[1])


def _padding_value(ds: Dataset, name: str) -> float | None:
    """The value with the sign of the pixels: some scanners tell -2000 as 63536, its 16 bits without a sign."""
    value = _number(ds.get(name))
    if value is None:
        return None
    if ds.get("PixelRepresentation") == 1:
        return value - (1 << 16) if value >= 1 << 15 else value
    return value + (1 << 16) if value < 0 else value


def _modality(ds: Dataset, values: Values) -> Values:
    """Stored values to physical ones, by the table or by slope and intercept."""
    items = ds.get("ModalityLUTSequence")
    if _is_table(items):
        return _look_up(items[0], values)
    slope, intercept = _number(ds.get("RescaleSlope")), _number(ds.get("RescaleIntercept"))
    if not slope or intercept is None:
        return values
    return values * slope + intercept


def _voi(ds: Dataset, values: Values) -> npt.NDArray[np.uint8] | None:
    """Physical values to 8 bits by the first VOI LUT or window that makes sense; None where there is none."""
    items = ds.get("VOILUTSequence")
    if _is_table(items):
        # A table's entries need not reach what its descriptor allows; the picture then still uses the full range.
        table = _table(items[0])
        return to_8bit(_look_up(items[0], values), float(table.min()), float(table.max()))
    center, width = _number(ds.get("WindowCenter")), _number(ds.get("WindowWidth"))
    if center is None or width is None:
        return None
    window = _WINDOWS.get(str(ds.get("VOILUTFunction") or "LINEAR").strip().upper(), _linear)
    with np.errstate(over="ignore"):
        shown = window(np.asarray(values, np.float64), center, width)
    return None if shown is None else to_8bit(shown, 0, 1)


def _linear(x: Values, center: float, width: float) -> Values | None:
    """PS3.3 C.11.2.1.2.1; a width of 1 is a threshold."""
    if width < 1:
        return None
    if width == 1:
        return (x > center - 0.5).astype(np.float64)
    return np.clip((x - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _linear_exact(x: Values, center: float, width: float) -> Values | None:
    """PS3.3 C.11.2.1.3.2."""
    return np.clip((x - center) / width + 0.5, 0, 1) if width > 0 else None


def _sigmoid(x: Values, center: float, width: float) -> Values | None:
    """PS3.3 C.11.2.1.3.1."""
    return 1 / (1 + np.exp(-4 * (x - center) / width)) if width > 0 else None


_WINDOWS: dict[str, Callable[[Values, float, float], Values | None]] = {
    "LINEAR": _linear,
    "LINEAR_EXACT": _linear_exact,
    "SIGMOID": _sigmoid,
}


def _is_table(items: Any) -> bool:
    """Whether the first item of a sequence is a LUT with entries."""
    return bool(items) and bool(items[0].get("LUTData")) and items[0].get("LUTDescriptor") is not None


def _table(item: Dataset) -> Values:
    """The entries of a LUT; its words are little-endian, since every other data set is turned so when it is read."""
    data = item["LUTData"].value
    if isinstance(data, bytes):
        count = int(item.LUTDescriptor[0]) or 1 << 16
        return np.frombuffer(data, "<u2" if len(data) >= 2 * count else np.uint8)[:count].astype(np.int64)
    return np.atleast_1d(np.asarray(data, np.int64))


def _look_up(item: Dataset, values: Values) -> Values:
    """Values through a LUT: those before its first take the first entry, those beyond its end the last."""
    table = _table(item)
    index = np.floor(values - float(item.LUTDescriptor[1]))
    entries: Values = table[np.clip(index, 0, len(table) - 1).astype(np.int64)]
    return entries


def _number(value: Any) -> float | None:
    """A finite number, the first where there are several; None where there is none."""
    if isinstance(value, (list, tuple)) or (hasattr(value, "__getitem__") and not isinstance(value, (str, bytes))):
        value = value[0] if len(value) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
