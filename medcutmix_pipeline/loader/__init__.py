"""What a trainer imports: reading shards with their mix plans, the mixing module, the loss. Light on purpose."""

from medcutmix_pipeline.loader.batch import MixBatch
from medcutmix_pipeline.loader.loading import MixLoader
from medcutmix_pipeline.loader.losses.loss import MixContrastiveLoss
from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from medcutmix_pipeline.loader.plan import MixPlan
from medcutmix_pipeline.loader.reading.tar import ShardError

__all__ = ["AttentiveManifoldMix", "MixBatch", "MixContrastiveLoss", "MixLoader", "MixPlan", "ShardError"]
