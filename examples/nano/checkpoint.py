"""Training checkpoints (net.pt with tokenizer.json beside it) and the way back from the Hugging Face layout."""

import dataclasses
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import vocabulary
from model import E2M1, Config, Nano, rms_norm

NAMES = {
    "attention_norm": "input_layernorm.weight", "mlp_norm": "post_attention_layernorm.weight",
    "q": "self_attn.q_proj.weight", "q_bias": "self_attn.q_proj.bias", "k": "self_attn.k_proj.weight", "k_bias": "self_attn.k_proj.bias",
    "v": "self_attn.v_proj.weight", "v_bias": "self_attn.v_proj.bias", "o": "self_attn.o_proj.weight", "o_bias": "self_attn.o_proj.bias",
    "sinks": "self_attn.sinks", "router": "mlp.router.weight", "router_bias": "mlp.router.bias",
    "gate_up_bias": "mlp.experts.gate_up_proj_bias", "down_bias": "mlp.experts.down_proj_bias",
}  # fields of model.Layer -> tensors below model.layers.N.; the experts' weights (gate_up, down) are MXFP4
OUTER = {"embedding": "model.embed_tokens.weight", "norm": "model.norm.weight", "unembedding": "lm_head.weight"}


def unpack_mxfp4(blocks: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """blocks [..., n/32, 16] u8 and scales [..., n/32] u8 -> [..., n] f32; the inverse of export.pack_mxfp4."""
    codes = torch.stack([blocks & 15, blocks >> 4], -1).flatten(-2)
    value = E2M1[(codes & 7).long()] * torch.exp2(scales.float() - 127)[..., None]
    return torch.where(codes >= 8, -value, value).flatten(-2)


def from_hugging_face(folder: pathlib.Path) -> Nano:
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    net = Nano(Config(
        vocab=config["vocab_size"], hidden=config["hidden_size"], layers=config["num_hidden_layers"], head_dim=config["head_dim"],
        heads=config["num_attention_heads"], kv_heads=config["num_key_value_heads"], intermediate=config["intermediate_size"],
        experts=config["num_local_experts"], experts_per_token=config["num_experts_per_tok"], window=config["sliding_window"]))
    state = {field: tensors[name].float() for field, name in OUTER.items()}
    for n in range(net.config.layers):
        at = f"model.layers.{n}."
        state |= {f"layers.{n}.{field}": tensors[at + name].float() for field, name in NAMES.items()}
        for field, name in (("gate_up", "gate_up_proj"), ("down", "down_proj")):
            packed = [tensors[f"{at}mlp.experts.{name}_{part}"] for part in ("blocks", "scales")]
            state[f"layers.{n}.{field}"] = unpack_mxfp4(*packed)
    net.load_state_dict(state)
    return net


def load(path: pathlib.Path) -> tuple[vocabulary.Vocabulary, Nano]:
    """From a net.pt or from a folder in Hugging Face layout."""
    if path.is_dir():
        return vocabulary.load(path / "tokenizer.json"), from_hugging_face(path)
    v = vocabulary.load(path.with_name("tokenizer.json"))
    state = torch.load(path, weights_only=True)
    net = Nano(Config(vocab=v.size, experts=state["layers.0.router"].shape[0]))
    net.load_state_dict(state)
    return v, net


def mean(paths: list[pathlib.Path]) -> tuple[vocabulary.Vocabulary, Nano]:
    """The mean of nets of one shape and vocabulary, as stochastic weight averaging takes it (arxiv.org/abs/1803.05407)."""
    v, net = load(paths[0])
    states = [net.state_dict()] + [load(path)[1].state_dict() for path in paths[1:]]
    net.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    return v, net


@torch.no_grad()
def doubled(net: Nano, tokens: torch.Tensor) -> Nano:
    """Twice the experts, the same function at first, the same arithmetic a token.

    Every expert gets a twin. The two routers differ by a direction that splits the tokens in halves, so far apart that a
    token finds its two experts in one half: which tokens share an expert changes, what it computes does not. `tokens`
    [B, T] are conversations, filled up with 0, which does not count; the direction is their first principal component.
    """
    c, t = net.config, tokens.shape[1]
    told = tokens.flatten() != 0
    inputs: list[torch.Tensor] = []  # of each layer's router
    x = net.embedding[tokens]
    for layer in net.layers:
        x = layer.attention(x, net.cos[:t], net.sin[:t])
        inputs.append(rms_norm(x, layer.mlp_norm, c.norm_eps).reshape(-1, c.hidden)[told])
        x = layer.mlp(x)
    out = Nano(dataclasses.replace(c, experts=2 * c.experts))
    state = net.state_dict()
    for n, m in enumerate(inputs):
        at = f"layers.{n}."
        for field in ("gate_up", "gate_up_bias", "down", "down_bias"):
            state[at + field] = torch.cat([state[at + field]] * 2)
        direction = torch.linalg.svd(m - m.mean(0), full_matrices=False)[2][0]
        along = m @ direction
        middle = along.median()
        top = F.linear(m, net.layers[n].router, net.layers[n].router_bias).topk(2, -1)[0]
        gap = (top[:, 0] - top[:, 1]).quantile(0.9)
        scale = gap / (along - middle).abs().quantile(0.1)
        state[at + "router"] = torch.cat([state[at + "router"] + scale / 2 * direction, state[at + "router"] - scale / 2 * direction])
        state[at + "router_bias"] = torch.cat([state[at + "router_bias"] - scale / 2 * middle, state[at + "router_bias"] + scale / 2 * middle])
    out.load_state_dict(state)
    return out


@torch.no_grad()
def moved(net: Nano, old: vocabulary.Vocabulary, new: vocabulary.Vocabulary) -> Nano:
    """The net for another vocabulary: rows of tokens that both have are kept, a new token starts as the mean of its parts."""
    out = Nano(dataclasses.replace(net.config, vocab=new.size))
    state = net.state_dict()
    texts = {**new.bytes, **{i: None for i in new.special.values()}}
    back = {t: i for i, t in old.bytes.items()}
    rows = []
    for i in range(new.size):
        text = texts.get(i)
        if i in new.special.values():
            rows.append([old.special[next(s for s, n in new.special.items() if n == i)]])
        elif text is None:
            rows.append([0])  # an unused id
        elif text in back:
            rows.append([back[text]])
        else:
            rows.append(old.encode(text.decode(errors="replace"))[:8])
    for name in ("embedding", "unembedding"):
        spread = state[name].std(0).mean() * 0.3
        state[name] = torch.stack([state[name][r].mean(0) + (torch.randn(net.config.hidden) * spread if len(r) > 1 else 0) for r in rows])
    out.load_state_dict(state)
    return out


def save(path: pathlib.Path, net: Nano, v: vocabulary.Vocabulary) -> None:
    path.with_name("tokenizer.json").write_text(v.to_json())
    part = path.with_suffix(".part")
    torch.save(net.state_dict(), part)
    part.rename(path)
