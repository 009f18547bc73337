"""An open_clip model with the mix, in a plain loop.

    python open_clip_mix.py --dataset DATASET --model ViT-B-32 [--pretrained laion2b_s34b_b79k]

open_clip's own command takes no hook. It reads `shards/` (clean pairs) and `pixel/` (mixed ones) unchanged: see
docs/trainers.md. Lines that mix end in `# mix`.
"""

import argparse
import re

import open_clip
import torch

from medcutmix_pipeline.loader import AttentiveManifoldMix, MixContrastiveLoss, MixLoader

# The blocks of open_clip's own and of timm's transformers, and the stages of its ResNets.
BLOCKS = r"visual\.(transformer\.resblocks\.\d+|trunk\.(blocks|stages)\.\d+|layer\d)"


def main() -> None:
    """Train for so many steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument(
        "--model-config", help="a JSON file with a model of your own; its name without .json is --model"
    )
    parser.add_argument("--pretrained", help="as open_clip names it")
    parser.add_argument("--layer", help="where to mix; else the block in the middle of the vision encoder")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if args.model_config:
        open_clip.add_model_config(args.model_config)
    torch.manual_seed(0)
    model = open_clip.create_model(args.model, pretrained=args.pretrained, device=device)
    tokenize = open_clip.get_tokenizer(args.model)
    seen = open_clip.get_model_preprocess_cfg(model)
    loader = MixLoader(
        args.dataset,
        args.batch,
        image_size=seen["size"][0] if isinstance(seen["size"], tuple) else seen["size"],
        tokenizer=lambda texts: {"text": tokenize(texts)},
    )
    blocks = [name for name, _ in model.named_modules() if re.fullmatch(BLOCKS, name)]
    mix = AttentiveManifoldMix(model, args.layer or blocks[len(blocks) // 2])  # mix
    criterion = MixContrastiveLoss(epsilon=0.5)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    model.train()
    step = 0
    while step < args.steps:
        for batch in loader:
            batch = batch.to(device, non_blocking=True)
            with mix(batch):  # mix
                image, text, scale = model(batch.normalised(seen["mean"], seen["std"]), batch.tokens["text"])[:3]
            loss = criterion(image, text, scale, batch.plan, mix.host_share())  # mix
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            print(f"step {step} at {mix.drawn} loss {loss:.4f} host share {mix.host_share().mean():.3f}")
            if step == args.steps:
                return
        loader.set_epoch(loader.epoch + 1)


if __name__ == "__main__":
    main()
