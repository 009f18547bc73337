"""The attentive manifold mix: weights from maps, layouts of features, the hook on a layer."""
