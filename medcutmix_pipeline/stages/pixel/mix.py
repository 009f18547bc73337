"""One pixel mix: the donor's image is blended into the host's where the donor's map points."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image


def mix_pixels(
    host: npt.NDArray[np.uint8],
    donor: npt.NDArray[np.uint8],
    donor_map: npt.NDArray[np.uint8],
    lam: float,
    host_map: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """host + w · (donor − host) with the soft weights w = (1 − λ) · A, rounded to whole grey levels.

    A is the donor's map on the host's pixels (`medcutmix_pipeline.loader.mixing.weights.mix_weights`): a pixel mix is
    the feature mix at a layer that does nothing.

    Args:
        host: uint8 [H, W].
        donor: uint8 of any size; another than the host's is brought to it (Lanczos).
        donor_map: uint8 [h, w], peak 255, of the sentence that was put in.
        lam: λ in [0, 1], the share of the host that is kept.
        host_map: uint8 [h, w], of the sentence that was cut: where it is given, A is the larger of both maps, so that
            the host's own lesion gives way too.

    Returns:
        uint8 [H, W].
    """
    import torch  # takes seconds to import

    from medcutmix_pipeline.loader.mixing.weights import mix_weights
    from medcutmix_pipeline.stages.attention.device import reproducible

    height, width = host.shape
    if donor.shape != host.shape:
        donor = np.asarray(Image.fromarray(donor).resize((width, height), Image.Resampling.LANCZOS), np.uint8)
    # copied: torch warns of arrays that cannot be written to
    lent = torch.from_numpy(np.array(donor_map))[None]
    cut = lent if host_map is None else torch.from_numpy(np.array(host_map))[None]
    strength, active = torch.tensor([lam]), torch.tensor([True])
    with reproducible(threads=1):  # and quick: several threads for so little only wait for each other
        weights = mix_weights(lent, cut, strength, active, (height, width), kind="soft", map="union")
    shown = weights[0].numpy()
    kept = host.astype(np.float32)
    mixed: npt.NDArray[np.float32] = np.rint(kept + shown * (donor.astype(np.float32) - kept))
    return mixed.astype(np.uint8)


def decoded(image: bytes) -> npt.NDArray[np.uint8]:
    """A stored image as uint8 [H, W]."""
    with Image.open(io.BytesIO(image)) as opened:
        return np.asarray(opened.convert("L"), np.uint8)
