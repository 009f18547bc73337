"""The attention stage: encoders that look for a sentence in an image, and the maps they give."""
