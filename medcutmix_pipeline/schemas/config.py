"""The configuration: every setting with its default, its meaning and its limits. Unknown keys are errors."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from medcutmix_pipeline.home import at_home

Fraction = Annotated[float, Field(ge=0, le=1)]

UserPath = Annotated[str, AfterValidator(at_home)]
"""A place that a user names."""

_SHARE = 1e-4  # of a GPU; Ray reckons in these


class Section(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SourceConfig(Section):
    """Where the studies come from."""

    kind: str = Field("manifest", description="openi, mimic-cxr-jpg, chexpert-plus, manifest or phantom")
    root: UserPath = Field(
        "", description="folder of the data set, or the manifest file itself (local path or fsspec URL)"
    )
    limit: int | None = Field(None, ge=1, description="take only the first studies that the source lists; null: all")


class IngestConfig(Section):
    """How inputs are read."""

    studies_per_part: int = Field(1024, ge=1, description="studies that one task reads at a time")
    guess_view: bool = Field(
        True, description="tell frontal from lateral by the picture where neither the source nor the DICOM header does"
    )
    orient: bool = Field(
        True,
        description="turn frontal DICOM images whose Patient Orientation says that they are stored mirrored or upside "
        "down; false: for archives in which it is wrong",
    )
    max_pixels: int = Field(
        100_000_000, ge=1, description="images with more pixels are rejected before they are decoded"
    )
    max_bytes: int = Field(1 << 29, ge=1, description="image files larger than this are rejected unread")


class SentencesConfig(Section):
    """How reports are understood."""

    lexicon: UserPath | None = Field(
        None, description="a lexicon file of your own (TOML); null: the 14 CheXpert findings"
    )
    lexicon_mode: Literal["extend", "replace"] = Field(
        "extend", description="add to the built-in lexicon, or use yours alone"
    )
    model: str | None = Field(
        None, description="an installed spaCy pipeline to build on, such as en_core_sci_sm; null: none"
    )


class SplitsConfig(Section):
    """How patients are split where the source has no split of its own."""

    train: Fraction = Field(0.95, description="share of patients in the train split")
    validate_: Fraction = Field(0.05, alias="validate", description="share of patients in the validate split")

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> SplitsConfig:
        if abs(self.train + self.validate_ - 1) > 1e-9:
            raise ValueError("train and validate must sum to 1")
        return self


class PairingConfig(Section):
    """Who may be mixed with whom."""

    plans_per_host: int = Field(4, ge=1, le=64, description="donors for each finding of a host, at most")
    clump: int = Field(8, ge=2, description="samples of one finding that are kept together, so that rare findings meet")
    exclude: tuple[str, ...] = Field(
        ("No Finding", "Support Devices"), description="findings on which nothing is matched"
    )


class FitConfig(Section):
    """How `attention.encoder: fit` trains an encoder on the corpus's own images and sentences."""

    max_images: int = Field(4000, ge=16, description="train images used at most, drawn by keyed hash")
    image_size: int = Field(
        128, ge=32, le=512, multiple_of=16, description="side of the images that the encoder sees, px"
    )
    steps: int = Field(600, ge=1, description="optimiser steps of each network")
    batch: int = Field(32, ge=2, description="images in a step, each with all sentences of its report")
    learning_rate: float = Field(3e-3, gt=0, description="highest learning rate of AdamW; it warms up and falls off")
    width: int = Field(32, ge=16, multiple_of=16, description="channels of the encoder")
    held_out: float = Field(
        0.08,
        ge=0,
        le=0.5,
        description="share of the patients that the fit does not learn from, on whom its loss is looked at; 0: none",
    )
    networks: int = Field(3, ge=1, le=16, description="networks fitted side by side; a map is the mean of theirs")
    threads: int = Field(2, ge=1, description="networks that learn at the same time, each on a CPU thread of its own")


class AttentionConfig(Section):
    """Which encoder looks for a sentence in an image, and how wide its maps are."""

    encoder: UserPath = Field(
        "fit",
        description="fit; folder or published name of a transformers CLIP-like model; or module:Class of your own",
    )
    device: str = Field("auto", description="auto, cpu, cuda, or in one process cuda:N")
    batch: int = Field(32, ge=1, description="images that the encoder takes at a time; never more than one unit's")
    mass: Fraction = Field(
        0.5,
        description="width of a map: the smallest region that holds this share of the attention is filled; 0: raw map",
    )
    threads: int = Field(1, ge=1, description="CPU threads of an encoder; fixed, because sums depend on it")
    trust_remote_code: bool = Field(False, description="run code that comes with a published model")
    fit: FitConfig = Field(default_factory=FitConfig)


class PlansConfig(Section):
    """What makes a plan good enough."""

    alpha: float = Field(1.0, gt=0, description="λ, the share of the host that is kept, is drawn from Beta(α, α)")
    min_presence: float = Field(0.0, ge=0, le=1, description="leave out plans whose donor has a lower presence score")
    min_map_area: Fraction = Field(0.002, description="leave out plans whose donor map covers less of the image")
    max_map_area: Fraction = Field(0.9, description="leave out plans whose donor map covers more of the image")

    @model_validator(mode="after")
    def _some_map_fits(self) -> PlansConfig:
        if self.min_map_area >= self.max_map_area:
            raise ValueError(
                f"min_map_area={self.min_map_area:g} must be less than max_map_area={self.max_map_area:g}, "
                "or no plan is left"
            )
        return self


class ShardsConfig(Section):
    """What the shards hold."""

    samples_per_shard: int = Field(512, ge=2, le=100_000, description="samples in a shard, at most")
    image_size: int = Field(
        448, ge=16, le=4096, description="side of the stored images, px; smaller sources stay small"
    )
    square: Literal["pad", "crop", "stretch"] = Field("pad", description="how an image becomes square")
    image_format: Literal["jpg", "png", "webp"] = Field("jpg", description="format of the stored images")
    quality: int = Field(90, ge=1, le=100, description="quality of jpg and webp")
    pixel: bool = Field(False, description="also write mixed images (pixel/), for trainers that cannot run a hook")
    pixel_map: Literal["donor", "union"] = Field(
        "donor", description="where pixel mixes show the donor; union: also where the host's own lesion is"
    )
    pixel_per_host: int | None = Field(
        None, ge=1, description="pixel mixes of a sample, at most, drawn by keyed hash; null: one for each of its plans"
    )


class PrivacyConfig(Section):
    """How identifiers are hidden."""

    key_file: UserPath | None = Field(
        None,
        description="file with the secret key of the pseudonyms (32 bytes or more); null: one is made for this user",
    )


class EngineConfig(Section):
    """How the work is run; changes nothing in the output."""

    kind: Literal["ray", "serial"] = Field("ray", description="ray, or serial: one process, for debugging")
    workers: int | None = Field(None, ge=1, description="CPUs to use; null: all that Ray finds")
    ray_address: str | None = Field(
        None, description="null: a local Ray for this build; auto or ray://HOST:PORT: a cluster"
    )
    dashboard: bool = Field(
        False, description="start Ray's dashboard with a local Ray; needs pip install 'ray[default]'"
    )
    encoders: int | None = Field(
        None, ge=1, description="encoder processes; null: one for each GPU, or for every two CPUs"
    )
    gpus_per_encoder: float = Field(
        1.0, ge=_SHARE, description="GPUs (or a share of one) that an encoder process takes"
    )
    work_dir: UserPath | None = Field(
        None, description="working folder of a build into an object store, as large as the dataset; --work"
    )
    max_reject_rate: Fraction = Field(0.2, description="stop when more than this share of the input is rejected")

    @field_validator("gpus_per_encoder")
    @classmethod
    def _whole_above_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus % 1:
            raise ValueError("give a share of one GPU, such as 0.5, or a whole number of them")
        return gpus


class Config(Section):
    """All settings of a build."""

    seed: int = Field(0, ge=-(2**63), lt=2**63, description="seed of every random choice")
    source: SourceConfig = Field(default_factory=SourceConfig)
    ingest: IngestConfig = Field(default_factory=IngestConfig)
    sentences: SentencesConfig = Field(default_factory=SentencesConfig)
    splits: SplitsConfig = Field(default_factory=SplitsConfig)
    pairing: PairingConfig = Field(default_factory=PairingConfig)
    attention: AttentionConfig = Field(default_factory=AttentionConfig)
    plans: PlansConfig = Field(default_factory=PlansConfig)
    shards: ShardsConfig = Field(default_factory=ShardsConfig)
    privacy: PrivacyConfig = Field(default_factory=PrivacyConfig)
    engine: EngineConfig = Field(default_factory=EngineConfig)
