"""Pictures for people: what an encoder attends to in an image."""

from medcutmix_pipeline.pictures.attend import Attended, attend_image
from medcutmix_pipeline.pictures.overlay import overlay

__all__ = ["Attended", "attend_image", "overlay"]
