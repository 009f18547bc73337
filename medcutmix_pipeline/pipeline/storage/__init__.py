"""An object store as the place of a dataset: what stands there, who holds it, and how a build brings it there."""
