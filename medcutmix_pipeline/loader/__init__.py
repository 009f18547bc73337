"""What a trainer imports: reading shards with their mix plans, the mixing module, the loss. Light on purpose."""

from medcutmix_pipeline.loader.batch import MixBatch, MixPlan

__all__ = ["MixBatch", "MixPlan"]
