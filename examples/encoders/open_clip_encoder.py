"""A model of open_clip as the encoder of a build: BiomedCLIP, CheXzero's weights, and others that give their patches.

Copy this file beside where you run the build, say which model it is, and `pip install open_clip_torch==3.3.0`:

    medcutmix-pipeline build … --set attention.encoder=open_clip_encoder:OpenClip
"""

import hashlib

import numpy as np
import open_clip
import torch
from torch.nn import functional

from medcutmix_pipeline.stages.attention.encoder import Attention
from medcutmix_pipeline.stages.attention.soft import REFERENCE, presence_against_reference, soft_attention

MODEL = "hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
WEIGHTS = None
"""A file of weights for a MODEL that open_clip only knows the shape of. CheXzero's: MODEL = "ViT-B-32-quickgelu"."""

MEAN, STD = None, None
"""Of the three channels, where the weights do not tell. CheXzero's: (0.398,) * 3 and (0.327,) * 3."""


class OpenClip:
    """Patches and sentences compared by their cosine, as the package does with a CLIPModel of transformers."""

    def __init__(self, config):
        self.id = MODEL.rpartition("/")[2]  # is published in the dataset's manifest: no path
        self.device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
        self.batch = config.batch
        model = open_clip.create_model_from_pretrained(MODEL, pretrained=WEIGHTS, return_transform=False)
        self.sha256 = _sha256(model)  # another value redoes the attention
        self.model = model.to(self.device).eval()
        self.tokenizer = open_clip.get_tokenizer(MODEL)
        told = open_clip.get_model_preprocess_cfg(model)
        self.mean, self.std = (
            torch.tensor(given or told[name], device=self.device).view(1, 3, 1, 1)
            for given, name in ((MEAN, "mean"), (STD, "std"))
        )
        size = model.visual.image_size
        self.image_size = size if isinstance(size, int) else size[0]
        self.scale = float(model.logit_scale.detach().exp())

    @torch.inference_mode()
    def attend(self, images, image_index, sentences):
        """Maps and scores of sentences; see docs/encoders.md."""
        rows = sorted(set(image_index))  # each image once, however many sentences ask
        number = {row: n for n, row in enumerate(rows)}
        place = [number[row] for row in image_index]
        seen = [self._look(images[rows[n : n + self.batch]]) for n in range(0, len(rows), self.batch)]
        whole, patches = (torch.cat(part) for part in zip(*seen, strict=True))
        asked = torch.cat([self._read([*sentences[n : n + 256]]) for n in range(0, len(sentences), 256)])
        cosines = torch.einsum("shwd,sd->shw", patches[place], asked)
        [reference] = self._read([REFERENCE])
        shown = (whole[place] * asked).sum(1)
        scores = presence_against_reference(shown, whole[place] @ reference, self.scale)
        return Attention(soft_attention(cosines, self.scale).cpu().numpy(), scores.cpu().numpy().astype(np.float32))

    def _look(self, images):
        """Unit embeddings of images [B, dim] and of their patches [B, h, w, dim]."""
        pixels = torch.from_numpy(images).to(self.device)[:, None].expand(-1, 3, -1, -1).float() / 255
        found = self.model.forward_intermediates(
            image=(pixels - self.mean) / self.std, image_indices=1, normalize_intermediates=True
        )
        patches = found["image_intermediates"][-1].permute(0, 2, 3, 1)
        visual = self.model.visual
        # A vision model of timm's has a head, one of open_clip's own a matrix: what the class token goes through.
        projected = visual.head(patches) if hasattr(visual, "head") else patches @ visual.proj
        return found["image_features"], functional.normalize(projected, dim=-1)

    def _read(self, sentences):
        return self.model.encode_text(self.tokenizer(sentences).to(self.device), normalize=True)


def _sha256(model):
    digest = hashlib.sha256(f"{MODEL} {MEAN} {STD} {open_clip.__version__}".encode())
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode() + weights.cpu().numpy().tobytes())
    return digest.hexdigest()
