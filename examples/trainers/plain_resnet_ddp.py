"""A plain PyTorch loop: a ResNet and a small text tower, in one process or several, resumed in the middle of an epoch.

    python plain_resnet_ddp.py --dataset DATASET
    torchrun --nproc-per-node 2 plain_resnet_ddp.py --dataset DATASET --save 'run-{step}.pt'
    torchrun --nproc-per-node 2 plain_resnet_ddp.py --dataset DATASET --resume run-40.pt

Lines that mix end in `# mix`: what is left without them is an ordinary contrastive training.
"""

import argparse
import os
import zlib

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from medcutmix_pipeline.loader import AttentiveManifoldMix, MixContrastiveLoss, MixLoader


class Block(nn.Module):
    """A residual block (He et al. 2016)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        norm, same = nn.BatchNorm2d, {"kernel_size": 3, "padding": 1, "bias": False}
        self.way = nn.Sequential(
            nn.Conv2d(into, out, stride=stride, **same), norm(out), nn.ReLU(), nn.Conv2d(out, out, **same), norm(out)
        )
        self.shortcut = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), norm(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] to the same at 1 / stride."""
        return torch.relu(self.way(x) + self.shortcut(x))


class TwoTowers(nn.Module):
    """Image and text features. Take torchvision's resnet50 for the images, and name its layer `image.layer3`, too."""

    def __init__(self, width: int, words: int = 4096) -> None:
        super().__init__()
        self.image = nn.Sequential()
        self.image.add_module("stem", nn.Conv2d(1, width, 7, stride=2, padding=3))
        for i in range(1, 5):
            self.image.add_module(f"layer{i}", Block(width * 2 ** max(0, i - 2), width * 2 ** (i - 1), 1 + (i > 1)))
        self.image.add_module("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        self.text = nn.EmbeddingBag(words, width * 8, mode="mean", padding_idx=0)
        self.logit_scale = nn.Parameter(torch.tensor(2.66))

    def forward(self, images: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Images float32 [B, 1, H, W] and words int64 [B, L]."""
        return self.image(images), self.text(words), self.logit_scale.exp()


def tokenize(texts: list[str], words: int = 4096) -> dict[str, torch.Tensor]:
    """Words as hashes, int64 [B, L], 0 behind the last."""
    rows = [[1 + zlib.crc32(w.strip(".,").encode()) % (words - 1) for w in text.lower().split()] for text in texts]
    return {"words": nn.utils.rnn.pad_sequence([torch.tensor(row or [0]) for row in rows], batch_first=True)}


def main() -> None:
    """Train for so many steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8, help="on each rank")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--save", default="", help="file for checkpoints; {step} in it is replaced")
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--resume", default="")
    args = parser.parse_args()

    enough_gpus = torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # one for each process
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if enough_gpus else torch.device("cpu")
    if "RANK" in os.environ:
        dist.init_process_group("nccl" if enough_gpus else "gloo")
    torch.manual_seed(0)
    model = TwoTowers(args.width).to(device)
    mix = AttentiveManifoldMix(model, "image.layer3")  # mix
    trained = DistributedDataParallel(model) if dist.is_initialized() else model
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loader = MixLoader(args.dataset, args.batch, tokenizer=tokenize)  # knows its rank from torch.distributed
    criterion = MixContrastiveLoss(epsilon=0.5)

    step = 0
    if args.resume:
        saved = torch.load(args.resume, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        loader.load_state_dict(saved["loader"])  # the same for all ranks: an epoch, and a batch in it
        step = saved["step"]
    while step < args.steps:
        for batch in loader:
            batch = batch.to(device, non_blocking=True)
            with mix(batch):  # mix
                image, text, scale = trained(batch.normalised(channels=1), batch.tokens["words"])
            loss = criterion(image, text, scale, batch.plan, mix.host_share())  # mix
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if loader.rank == 0:
                print(f"epoch {loader.epoch} step {step} loss {loss:.4f} host share {mix.host_share().mean():.3f}")
            if args.save and step % args.save_every == 0 and loader.rank == 0:
                state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "loader": batch.state}
                torch.save({**state, "step": step}, args.save.format(step=step))
            if step == args.steps:
                break
        else:
            loader.set_epoch(loader.epoch + 1)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
