"""Hugging Face `Trainer` with CLIP or a vision-text dual encoder, mixed at a block of the vision encoder.

    python hf_trainer.py --dataset DATASET --model MODEL [--save-steps 500] [--resume runs/clip/checkpoint-500]

MODEL is a folder, or a name on the Hub, of a CLIPModel or a VisionTextDualEncoderModel, with its tokeniser. Several
processes: start it with torchrun. Lines that mix end in `# mix`.
"""

import argparse
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

from medcutmix_pipeline.loader import AttentiveManifoldMix, MixContrastiveLoss, MixLoader


class Batches:
    """A loader as Trainer asks for one: a length, `set_epoch`, and dictionaries of tensors, beside them the plan."""

    def __init__(self, loader: MixLoader) -> None:
        self.loader = loader
        self.set_epoch = loader.set_epoch

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.loader:
            yield {"pixel_values": batch.images, **batch.tokens, "plan": batch.plan}


class MixTrainer(Trainer):
    """A Trainer whose `train_dataset` is a MixLoader."""

    def __init__(self, *args: Any, layer: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.mix = AttentiveManifoldMix(self.model, layer)  # mix
        self.criterion = MixContrastiveLoss(epsilon=0.5)

    def get_train_dataloader(self) -> Batches:
        """The loader as it is: Trainer's own would deal its batches out to the ranks once more, or cut them up."""
        return Batches(self.train_dataset)

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        """The contrastive loss; the images come as bytes and are normalised here, on the device."""
        plan = inputs.pop("plan")
        inputs["pixel_values"] = inputs["pixel_values"].float().expand(-1, 3, -1, -1) / 127.5 - 1
        with self.mix(plan):  # mix
            out = model(**inputs)
        scale = self.model.logit_scale.exp()
        loss = self.criterion(out.image_embeds, out.text_embeds, scale, plan, self.mix.host_share())  # mix
        return (loss, out) if return_outputs else loss


class KeepPlace(TrainerCallback):
    """Puts the loader's place beside each checkpoint."""

    def __init__(self, loader: MixLoader) -> None:
        self.loader = loader

    def on_save(self, args: TrainingArguments, state: Any, control: Any, **_: Any) -> None:
        """Called when a checkpoint is complete."""
        if state.is_world_process_zero:
            place = Path(args.output_dir, f"checkpoint-{state.global_step}", "loader.json")
            place.write_text(json.dumps(self.loader.state_dict()))


def main() -> None:
    """Train for so many steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--layer", help="where to mix; else the block in the middle of the vision encoder")
    parser.add_argument("--out", default="runs/clip")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--save-steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=8, help="on each rank")
    parser.add_argument("--resume", help="a checkpoint-N folder")
    args = parser.parse_args()

    # From the checkpoint, too: Trainer's own resuming does not know how save_pretrained renames the weights of a ViT.
    model, tokenizer = AutoModel.from_pretrained(args.resume or args.model), AutoTokenizer.from_pretrained(args.model)
    blocks = [n for n, _ in model.named_modules() if re.fullmatch(r"vision_model\.(encoder\.)?layers?\.\d+", n)]
    settings = TrainingArguments(
        args.out,
        max_steps=args.steps,
        per_device_train_batch_size=args.batch,
        save_steps=args.save_steps,
        logging_steps=1,
        report_to="none",
        # Else, started by torchrun with fewer GPUs than processes, each process trains alone or not at all.
        use_cpu=torch.cuda.device_count() < int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        ignore_data_skip=True,  # the loader goes on by itself where it stopped; Trainer would read up to there again
    )
    loader = MixLoader(  # after TrainingArguments, which bring torch.distributed up: the loader asks it for its rank
        args.dataset,
        args.batch,
        image_size=model.config.vision_config.image_size,
        tokenizer=lambda texts: dict(
            tokenizer(texts, padding=True, truncation=True, max_length=77, return_tensors="pt")
        ),
    )
    trainer = MixTrainer(
        model,
        settings,
        train_dataset=loader,
        layer=args.layer or blocks[len(blocks) // 2],
        callbacks=[KeepPlace(loader)],
    )
    if args.resume:
        loader.load_state_dict(json.loads(Path(args.resume, "loader.json").read_text()))
    trainer.train(resume_from_checkpoint=args.resume)


if __name__ == "__main__":
    main()
