"""Memory for the images of batches that is used again, so that the system need not clear new pages for each batch."""

from __future__ import annotations

import weakref
from collections import deque
from math import prod

import numpy as np
import torch

_KEPT = 8


class Buffers:
    """Gives memory for images and takes it back once no tensor, view or array of it is left anywhere."""

    def __init__(self) -> None:
        self._free: deque[np.ndarray[tuple[int], np.dtype[np.uint8]]] = deque(maxlen=_KEPT)

    def take(self, *shape: int) -> torch.Tensor:
        """A uint8 tensor of this shape; what is in it is undefined."""
        size = prod(shape)
        try:
            block = self._free.popleft()
        except IndexError:
            block = np.empty(size, np.uint8)
        if block.size != size:
            block = np.empty(size, np.uint8)
        # only the tensor's storage holds this view: it dies with the last tensor that shares the memory
        view = block.view()
        weakref.finalize(view, self._free.append, block).atexit = False
        return torch.from_numpy(view).reshape(shape)
