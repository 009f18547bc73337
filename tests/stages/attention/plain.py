"""The supported models once more, in plain tensor arithmetic on their weights, to compare the encoders with."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, normalize, unfold

from tests.stages.attention.small_models import PATCH, SIDE

HEADS = 2
Weights = dict[str, Tensor]


def dense(w: Weights, name: str, x: Tensor) -> Tensor:
    bias = w.get(f"{name}.bias")
    out = x @ w[f"{name}.weight"].T
    return out if bias is None else out + bias


def norm(w: Weights, name: str, x: Tensor, eps: float) -> Tensor:
    return layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    q, k, v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    weights = (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2), weights


def act_quick(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def act_tanh(x: Tensor) -> Tensor:
    return gelu(x, approximate="tanh")


def pre_norm_layers(w: Weights, stem: str, x: Tensor, act, eps: float, mask: Tensor | None = None) -> Tensor:
    """The encoder of CLIP and SigLIP."""
    layer = 0
    while f"{stem}.{layer}.layer_norm1.weight" in w:
        at = f"{stem}.{layer}"
        y = norm(w, f"{at}.layer_norm1", x, eps)
        mixed, _ = attention(*(dense(w, f"{at}.self_attn.{n}_proj", y) for n in "qkv"), mask)
        x = x + dense(w, f"{at}.self_attn.out_proj", mixed)
        x = x + dense(w, f"{at}.mlp.fc2", act(dense(w, f"{at}.mlp.fc1", norm(w, f"{at}.layer_norm2", x, eps))))
        layer += 1
    return x


def patchify(w: Weights, name: str, pixels: Tensor) -> Tensor:
    kernel = w[f"{name}.weight"]
    out = unfold(pixels, PATCH, stride=PATCH).transpose(1, 2) @ kernel.flatten(1).T
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def with_class(token: Tensor, patches: Tensor) -> Tensor:
    return torch.cat([token.reshape(1, 1, -1).expand(len(patches), -1, -1), patches], 1)


def clip_features(w: Weights, pixels: Tensor) -> Tensor:
    x = patchify(w, "vision_model.embeddings.patch_embedding", pixels)
    x = with_class(w["vision_model.embeddings.class_embedding"], x)
    x = norm(w, "vision_model.pre_layrnorm", x + w["vision_model.embeddings.position_embedding.weight"], 1e-5)
    x = pre_norm_layers(w, "vision_model.encoder.layers", x, act_quick, 1e-5)
    return normalize(dense(w, "visual_projection", norm(w, "vision_model.post_layernorm", x, 1e-5)), dim=-1)


def clip_sentence(w: Weights, ids: list[int]) -> Tensor:
    x = w["text_model.embeddings.token_embedding.weight"][ids]
    x = (x + w["text_model.embeddings.position_embedding.weight"][: len(ids)])[None]
    causal = torch.ones(len(ids), len(ids)).tril().bool()
    x = pre_norm_layers(w, "text_model.encoder.layers", x, act_quick, 1e-5, causal)
    last = norm(w, "text_model.final_layer_norm", x, 1e-5)[0, -1]
    return normalize(dense(w, "text_projection", last), dim=-1)


def siglip_pool(w: Weights, tokens: Tensor) -> Tensor:
    head = "vision_model.head"
    q, k, v = w[f"{head}.attention.in_proj_weight"].chunk(3)
    bq, bk, bv = w[f"{head}.attention.in_proj_bias"].chunk(3)
    probe = w[f"{head}.probe"].expand(len(tokens), -1, -1)
    mixed, _ = attention(probe @ q.T + bq, tokens @ k.T + bk, tokens @ v.T + bv)
    x = dense(w, f"{head}.attention.out_proj", mixed)
    y = norm(w, f"{head}.layernorm", x, 1e-6)
    return (x + dense(w, f"{head}.mlp.fc2", act_tanh(dense(w, f"{head}.mlp.fc1", y))))[:, 0]


def siglip_features(w: Weights, pixels: Tensor) -> Tensor:
    name = "vision_model.embeddings.patch_embedding"
    if w[f"{name}.weight"].ndim == 2:  # SigLIP 2 takes a patch as rows of pixels, colours innermost
        colours_innermost = w[f"{name}.weight"].unflatten(1, (PATCH, PATCH, 3)).permute(0, 3, 1, 2)
        w = {**w, f"{name}.weight": colours_innermost}
    x = patchify(w, name, pixels) + w["vision_model.embeddings.position_embedding.weight"]
    x = pre_norm_layers(w, "vision_model.encoder.layers", x, act_tanh, 1e-6)
    x = norm(w, "vision_model.post_layernorm", x, 1e-6)
    alone = torch.stack([siglip_pool(w, x[:, p : p + 1]) for p in range(x.shape[1])], 1)
    return normalize(torch.cat([siglip_pool(w, x)[:, None], alone], 1), dim=-1)


def siglip_sentence(w: Weights, ids: list[int]) -> Tensor:
    positions = w["text_model.embeddings.position_embedding.weight"]
    padded = [*ids, *[0] * (len(positions) - len(ids))]
    x = (w["text_model.embeddings.token_embedding.weight"][padded] + positions)[None]
    x = pre_norm_layers(w, "text_model.encoder.layers", x, act_tanh, 1e-6)
    last = norm(w, "text_model.final_layer_norm", x, 1e-6)[0, -1]
    return normalize(dense(w, "text_model.head", last), dim=-1)


def bert_block(w: Weights, at: str, x: Tensor, other: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """BERT's attention with its residual and norm, over itself or over another sequence."""
    source = x if other is None else other
    q, k, v = dense(w, f"{at}.self.query", x), dense(w, f"{at}.self.key", source), dense(w, f"{at}.self.value", source)
    mixed, weights = attention(q, k, v)
    return norm(w, f"{at}.output.LayerNorm", dense(w, f"{at}.output.dense", mixed) + x, 1e-12), weights


def bert_feed(w: Weights, at: str, x: Tensor) -> Tensor:
    inner = gelu(dense(w, f"{at}.intermediate.dense", x))
    return norm(w, f"{at}.output.LayerNorm", dense(w, f"{at}.output.dense", inner) + x, 1e-12)


def bert_embedded(w: Weights, stem: str, ids: list[int]) -> Tensor:
    x = w[f"{stem}.word_embeddings.weight"][ids] + w[f"{stem}.position_embeddings.weight"][: len(ids)]
    kinds = w.get(f"{stem}.token_type_embeddings.weight")
    return norm(w, f"{stem}.LayerNorm", (x if kinds is None else x + kinds[0])[None], 1e-12)


def dual_sentence(w: Weights, ids: list[int]) -> Tensor:
    x = bert_embedded(w, "text_model.embeddings", ids)
    for layer in range(3):
        at = f"text_model.encoder.layer.{layer}"
        x, _ = bert_block(w, f"{at}.attention", x)
        x = bert_feed(w, at, x)
    pooled = torch.tanh(dense(w, "text_model.pooler.dense", x[0, 0]))
    return normalize(dense(w, "text_projection", pooled), dim=-1)


def dual_features(w: Weights, pixels: Tensor, names: dict[str, str]) -> Tensor:
    """A ViT with a pooler; `names` are those of its layers' parts."""
    stem = "vision_model.embeddings"
    x = patchify(w, f"{stem}.patch_embeddings.projection", pixels)
    x = with_class(w[f"{stem}.cls_token"], x) + w[f"{stem}.position_embeddings"]
    for layer in range(2):
        at = f"{names['layers']}.{layer}"
        y = norm(w, f"{at}.layernorm_before", x, 1e-12)
        mixed, _ = attention(*(dense(w, f"{at}.{names[n]}", y) for n in "qkv"))
        x = x + dense(w, f"{at}.{names['out']}", mixed)
        y = norm(w, f"{at}.layernorm_after", x, 1e-12)
        x = x + dense(w, f"{at}.{names['down']}", gelu(dense(w, f"{at}.{names['up']}", y)))
    x = torch.tanh(dense(w, "vision_model.pooler.dense", norm(w, "vision_model.layernorm", x, 1e-12)))
    return normalize(dense(w, "visual_projection", x), dim=-1)


def blip_answer(w: Weights, pixels: Tensor, ids: list[int]) -> tuple[Tensor, Tensor]:
    """Map and match probability of one image and one sentence."""
    x = patchify(w, "vision_model.embeddings.patch_embedding", pixels)
    x = with_class(w["vision_model.embeddings.class_embedding"], x) + w["vision_model.embeddings.position_embedding"]
    layer = 0
    while f"vision_model.encoder.layers.{layer}.layer_norm1.weight" in w:
        at = f"vision_model.encoder.layers.{layer}"
        q, k, v = dense(w, f"{at}.self_attn.qkv", norm(w, f"{at}.layer_norm1", x, 1e-5)).chunk(3, -1)
        x = x + dense(w, f"{at}.self_attn.projection", attention(q, k, v)[0])
        x = x + dense(w, f"{at}.mlp.fc2", gelu(dense(w, f"{at}.mlp.fc1", norm(w, f"{at}.layer_norm2", x, 1e-5))))
        layer += 1
    seen = norm(w, "vision_model.post_layernorm", x, 1e-5).requires_grad_()
    said = bert_embedded(w, "text_encoder.embeddings", ids)
    kept = []
    for layer in range(3):
        at = f"text_encoder.encoder.layer.{layer}"
        said, _ = bert_block(w, f"{at}.attention", said)
        said, weights = bert_block(w, f"{at}.crossattention", said, seen)
        kept.append(weights)
        said = bert_feed(w, at, said)
    logits = dense(w, "itm_head", said[0, 0])
    (gradient,) = torch.autograd.grad(logits[1], kept[2])
    map_ = (kept[2] * gradient).clamp(min=0)[0].mean((0, 1))[1:].reshape(SIDE // PATCH, SIDE // PATCH)
    return map_.detach(), logits.softmax(-1)[1].detach()


def soft_map(cosines: Tensor, scale: float) -> Tensor:
    """Softmax over the patches of the cosines [P], averaged with their neighbours by 1 2 1 both ways."""
    side = SIDE // PATCH
    grid, smooth = cosines.reshape(side, side), torch.zeros(side, side)
    for y in range(side):
        for x in range(side):
            for dy, dx in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)):
                near = grid[min(max(y + dy, 0), side - 1), min(max(x + dx, 0), side - 1)]
                smooth[y, x] += near * (2 - abs(dy)) * (2 - abs(dx)) / 16
    return (scale * smooth).flatten().softmax(0).reshape(side, side)
