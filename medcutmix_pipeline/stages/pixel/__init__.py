"""Pixel mixes: a plan carried out on the stored images, for trainers that will not take a hook."""
