"""What is installed, what is usable, and what a build would need: each problem with its remedy."""

from medcutmix_pipeline.doctor.check import Check
from medcutmix_pipeline.doctor.examine import examine

__all__ = ["Check", "examine"]
