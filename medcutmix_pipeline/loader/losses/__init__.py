"""The contrastive loss that knows of the mix."""
