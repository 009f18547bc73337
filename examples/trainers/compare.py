"""Does the mix help? Trains the same model without and with it, over several seeds, and compares on held-out studies.

    python compare.py --dataset DATASET --seeds 3 --steps 600

The dataset needs the splits `train` and `validate`. All arms of a seed start from the same weights:

    clean       no mixing
    longer      no mixing, and as many more steps as mixing costs time (--longer)
    attentive   the mix: where the donor's map points
    uniform     the same partners and reports, mixed everywhere alike: what the maps are worth beyond it

Put your own model in place of `TwoTowers`, and a layer of it in place of `image.layer3`.
"""

import argparse
import statistics

import torch
from plain_resnet_ddp import TwoTowers, tokenize
from torch import Tensor, nn

from medcutmix_pipeline.loader import AttentiveManifoldMix, MixContrastiveLoss, MixLoader

ARMS = ("clean", "longer", "attentive", "uniform")
MEASURES = ("AUC", "recall")
RANK = 10
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def trained(arm: str, seed: int, args: argparse.Namespace) -> TwoTowers:
    """A model of one arm after its steps."""
    torch.manual_seed(seed)
    model = TwoTowers(args.width).to(DEVICE)
    mixed = arm in ("attentive", "uniform")
    mix = AttentiveManifoldMix(model, "image.layer3", weights="uniform" if arm == "uniform" else "soft")
    loader = MixLoader(
        args.dataset, args.batch, image_size=args.image_size, mix=0.5 if mixed else 0, seed=seed, tokenizer=tokenize
    )
    steps = round(args.steps * args.longer) if arm == "longer" else args.steps
    optimizer = torch.optim.AdamW(model.parameters(), args.rate)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=steps + 1, pct_start=0.1)
    criterion, step = MixContrastiveLoss(), 0
    while step < steps:
        for batch in loader:
            batch = batch.to(DEVICE, non_blocking=True)
            with mix(batch):
                image, text, scale = model(batch.normalised(channels=1), batch.tokens["words"])
            loss = criterion(image, text, scale, batch.plan, mix.host_share())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            pace.step()
            step += 1
            if step == steps:
                break
        else:
            loader.set_epoch(loader.epoch + 1)
    loader.close()
    mix.remove()
    return model.eval()


@torch.no_grad()
def seen(model: TwoTowers, split: str, args: argparse.Namespace) -> tuple[Tensor, Tensor, list[dict[str, str]]]:
    """Image and text features [N, D] of a split, and what its reports say of each finding."""
    loader = MixLoader(
        args.dataset, args.batch, split=split, image_size=args.image_size, mix=0, shuffle=False, last="pad",
        tokenizer=tokenize,
    )  # fmt: skip
    images, texts, said = [], [], []
    for batch in loader:
        batch = batch.to(DEVICE, non_blocking=True)
        image, text, _ = model(batch.normalised(channels=1), batch.tokens["words"])
        images.append(image[~batch.repeated].cpu())
        texts.append(text[~batch.repeated].cpu())
        said += [told for told, again in zip(batch.labels, batch.repeated.tolist(), strict=True) if not again]
    return torch.cat(images), torch.cat(texts), said


def probe(seen_in_training: Tensor, told: Tensor, held_out: Tensor) -> Tensor:
    """Logistic regressions on frozen features [N, D] for labels [N, F], those of NaN left out; scores [M, F]."""
    mean, deviation = seen_in_training.mean(0), seen_in_training.std(0) + 1e-6
    x, asked = (seen_in_training - mean) / deviation, (held_out - mean) / deviation
    layer = nn.Linear(x.shape[1], told.shape[1])
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    known = ~told.isnan()
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        wrong = nn.functional.binary_cross_entropy_with_logits(layer(x)[known], told[known])
        total = wrong + 1e-3 * layer.weight.square().sum(1).mean()
        total.backward()
        return total

    optimizer.step(loss)
    return layer(asked).detach()


def auc(scores: Tensor, told: Tensor) -> float:
    """The area under the ROC curve of scores [N] for labels [N] of 0, 1 or NaN: how often a sick one is above a well
    one."""
    sick, well = scores[told == 1], scores[told == 0]
    above = (sick[:, None] > well).double().mean() + (sick[:, None] == well).double().mean() / 2
    return above.item()


def recall(images: Tensor, texts: Tensor, rank: int = RANK) -> float:
    """How often an image's own report is among the `rank` nearest of all, or one of the same words; features [N, D]."""
    images, texts = nn.functional.normalize(images), nn.functional.normalize(texts)
    nearness = images @ texts.T
    return (nearness >= nearness.topk(min(rank, len(texts))).values[:, -1:]).diagonal().double().mean().item()


def labels(said: list[dict[str, str]], findings: list[str]) -> Tensor:
    """[N, F]: 1 where a report asserts a finding, 0 where it denies or does not name it, NaN where it is in doubt."""
    value = {"present": 1.0, "absent": 0.0, "uncertain": float("nan")}
    return torch.tensor([[value[told.get(finding, "absent")] for finding in findings] for told in said])


def judged(model: TwoTowers, args: argparse.Namespace) -> dict[str, float]:
    """The mean AUC over findings by linear probes, and image-to-report retrieval, on the held-out split."""
    x, _, said = seen(model, "train", args)
    held, reports, held_said = seen(model, "validate", args)
    named = sorted({finding for told in said for finding in told})
    own, others = labels(said, named), labels(held_said, named)
    enough = [
        i
        for i in range(len(named))
        if all(int((told[:, i] == value).sum()) >= args.at_least for told in (own, others) for value in (0, 1))
    ]
    if not enough:
        raise SystemExit(f"no finding has {args.at_least} samples with it, and without, in both splits (--at-least)")
    scores = probe(x, own[:, enough], held)
    areas = [auc(scores[:, n], others[:, i]) for n, i in enumerate(enough)]
    return {"AUC": statistics.mean(areas), "recall": recall(held, reports), "findings": len(enough)}


def main() -> None:
    """Train and judge every arm with every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument(
        "--longer", type=float, default=1.05, help="steps of the arm `longer`, over those of the others"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument(
        "--at-least", type=int, default=10, help="studies with a finding, and without it, in each split"
    )
    args = parser.parse_args()

    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed in range(args.seeds):
        for arm in ARMS:
            told = judged(trained(arm, seed, args), args)
            found[arm].append(told)
            print(f"seed {seed} {arm}: " + ", ".join(f"{name} {told[name]:.3f}" for name in MEASURES), flush=True)

    print(f"\nmeans over {args.seeds} seeds, and the differences from `clean` seed by seed")
    print(f"(AUC: mean over {found['clean'][0]['findings']:.0f} findings; recall: an image's own report among {RANK})")
    for arm, runs in found.items():
        for name in MEASURES:
            mean = statistics.mean(run[name] for run in runs)
            apart = [run[name] - clean[name] for run, clean in zip(runs, found["clean"], strict=True)]
            shown = "" if arm == "clean" else "  " + " ".join(f"{one:+.3f}" for one in apart)
            print(f"{arm:10} {name:7} {mean:.3f}{shown}")


if __name__ == "__main__":
    main()
