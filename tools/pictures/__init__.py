"""The pictures of the documentation, drawn from a dataset of generated studies."""
