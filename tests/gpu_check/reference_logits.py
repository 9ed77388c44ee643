#!/usr/bin/env python3
"""The logits that logits_check wrote, beside a forward pass of our own in torch (float32), or in numpy where there is no torch.

    reference_logits.py FOLDER      one line of JSON a comparison; exit code 1 when the exact mode is off by more than 1e-3,
                                    77 where there is neither

The forward pass follows openai/gpt-oss gpt_oss/torch/model.py, written anew: every expert is unpacked, no cache is kept.
"""
import json
import math
import pathlib
import struct
import sys

EXACT_MOST = 1e-3
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0]

try:
    import numpy as np
except ImportError:
    print(json.dumps({"what": "reference", "skipped": "there is no numpy"}))
    sys.exit(77)
try:
    import torch
    BY = f"torch {torch.__version__}"
except ImportError:
    torch = None
    BY = f"numpy {np.__version__}"


def product(x, w):
    """x [n, i], w [o, i] -> [n, o]"""
    if torch is None:
        return x @ w.T
    return (torch.from_numpy(np.ascontiguousarray(x)) @ torch.from_numpy(np.ascontiguousarray(w)).T).numpy()


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Model:
    def __init__(self, folder: pathlib.Path):
        c = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.c = c
        raw = (folder / "model.safetensors").read_bytes()
        n = struct.unpack("<Q", raw[:8])[0]
        self.header = json.loads(raw[8:8 + n])
        self.data = memoryview(raw)[8 + n:]

    def tensor(self, name: str):
        info = self.header[name]
        begin, end = info["data_offsets"]
        if info["dtype"] == "U8":
            return np.frombuffer(self.data[begin:end], np.uint8).reshape(info["shape"])
        bits = np.frombuffer(self.data[begin:end], np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(info["shape"])

    def experts(self, name: str):
        blocks = self.tensor(name + "_blocks")
        scales = np.exp2(self.tensor(name + "_scales").astype(np.float32) - 127)
        table = np.array(E2M1, np.float32)
        values = np.stack([table[blocks & 15], table[blocks >> 4]], axis=-1).reshape(*blocks.shape[:-1], 32)
        return (values * scales[..., None]).reshape(blocks.shape[0], blocks.shape[1], -1)

    def linear(self, x, name: str):
        return product(x, self.tensor(name + ".weight")) + self.tensor(name + ".bias")

    def norm(self, x, name: str):
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(self.c.get("rms_norm_eps", 1e-5))) * self.tensor(name + ".weight")

    def angles(self, n: int):
        c, scaling = self.c, self.c["rope_scaling"]
        d, base, factor = c["head_dim"], c["rope_theta"], scaling["factor"]
        plain = base ** (np.arange(0, d, 2) / d)
        bound = lambda turns: d / 2 * math.log(scaling["original_max_position_embeddings"] / (turns * 2 * math.pi)) / math.log(base)
        low, high = bound(scaling["beta_fast"]), bound(scaling["beta_slow"])
        ramp = np.clip((np.arange(d // 2) - low) / (high - low), 0, 1)
        frequency = (1 - ramp) / plain + ramp / (factor * plain)
        t = np.arange(n)[:, None] * frequency
        m = 0.1 * math.log(factor) + 1
        return (np.cos(t) * m).astype(np.float32), (np.sin(t) * m).astype(np.float32)

    def attention(self, x, p: str, windowed: bool, cos, sin):
        c, n = self.c, len(x)
        d, heads, groups = c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"]
        def turned(y):
            a, b = y[..., :d // 2], y[..., d // 2:]
            return np.concatenate([a * cos[:, None] - b * sin[:, None], b * cos[:, None] + a * sin[:, None]], axis=-1)
        q = turned(self.linear(x, p + "q_proj").reshape(n, heads, d))
        k = turned(self.linear(x, p + "k_proj").reshape(n, groups, d))
        v = self.linear(x, p + "v_proj").reshape(n, groups, d)
        ahead = np.arange(n)[None, :] - np.arange(n)[:, None]
        hidden = (ahead > 0) | (windowed & (ahead <= -c["sliding_window"]))
        out = np.empty((n, heads, d), np.float32)
        for h in range(heads):
            scores = product(q[:, h], k[:, h * groups // heads]) / np.float32(math.sqrt(d))
            scores = np.where(hidden, -np.inf, scores)
            sink = np.full((n, 1), self.tensor(p + "sinks")[h], np.float32)
            out[:, h] = product(softmax(np.concatenate([scores, sink], axis=1))[:, :-1], v[:, h * groups // heads].T)
        return self.linear(out.reshape(n, heads * d), p + "o_proj")

    def mlp(self, x, p: str):
        k, limit = self.c["num_experts_per_tok"], self.c["swiglu_limit"]
        scores = self.linear(x, p + "router")
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        weights = softmax(np.take_along_axis(scores, chosen, axis=1))
        up_all, down_all = self.experts(p + "experts.gate_up_proj"), self.experts(p + "experts.down_proj")
        up_bias, down_bias = self.tensor(p + "experts.gate_up_proj_bias"), self.tensor(p + "experts.down_proj_bias")
        out = np.zeros_like(x)
        for t in range(len(x)):
            for rank in range(k):
                e = chosen[t, rank]
                y = product(x[t:t + 1], up_all[e])[0] + up_bias[e]
                gate, up = np.minimum(y[::2], limit), np.clip(y[1::2], -limit, limit)
                inner = (gate / (1 + np.exp(-1.702 * gate)) * (up + 1)).astype(np.float32)
                out[t] += weights[t, rank] * (product(inner[None], down_all[e])[0] + down_bias[e])
        return out

    def logits(self, tokens):
        x = self.tensor("model.embed_tokens.weight")[tokens].astype(np.float32)
        cos, sin = self.angles(len(tokens))
        for layer in range(self.c["num_hidden_layers"]):
            p = f"model.layers.{layer}."
            x = x + self.attention(self.norm(x, p + "input_layernorm"), p + "self_attn.", layer % 2 == 0, cos, sin)
            x = x + self.mlp(self.norm(x, p + "post_attention_layernorm"), p + "mlp.")
        return product(self.norm(x, "model.norm"), self.tensor("lm_head.weight"))


def main() -> int:
    good = True
    for folder in sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.is_dir()):
        tokens = np.fromfile(folder / "tokens.i32", np.int32)
        wanted = Model(folder).logits(tokens)
        for who in ("cpu", "exact", "fast"):
            got = np.fromfile(folder / f"{who}.f32", np.float32).reshape(wanted.shape)
            worst = float((np.linalg.norm(got - wanted, axis=1) / np.linalg.norm(wanted, axis=1)).max())
            fine = who == "fast" or worst <= EXACT_MOST
            good &= fine
            print(json.dumps({"what": "reference", "by": BY, "shape": folder.name, "who": who, "worst_row": worst, "ok": fine}), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
