"""The gpt-oss architecture in PyTorch, small enough to train on one CPU core."""

import math
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F

E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
E2M1_MIDDLES = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])


@dataclass
class Config:
    """Sizes and constants, with the values of nano v1."""

    vocab_size: int = 1024
    hidden_size: int = 128
    num_hidden_layers: int = 4
    head_dim: int = 64
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    intermediate_size: int = 128
    num_local_experts: int = 8
    num_experts_per_tok: int = 2
    sliding_window: int = 64
    swiglu_limit: float = 7.0
    rope_theta: float = 150000.0
    rope_factor: float = 4.0
    rope_beta_fast: float = 32.0
    rope_beta_slow: float = 1.0
    initial_context: int = 1024
    rms_norm_eps: float = 1e-5

    def to_dict(self) -> dict:
        """The fields as a plain dictionary."""
        return asdict(self)


def inverse_frequencies(c: Config) -> torch.Tensor:
    """YaRN frequencies with unrounded bounds, in float64."""
    half = c.head_dim // 2
    i = torch.arange(half, dtype=torch.float64)
    ext = c.rope_theta ** (-i / half)
    if c.rope_factor <= 1:
        return ext
    low, high = (half * math.log(c.initial_context / (beta * 2 * math.pi)) / math.log(c.rope_theta)
                 for beta in (c.rope_beta_fast, c.rope_beta_slow))
    ramp = ((i - low) / (high - low)).clamp(0, 1)
    return ext / c.rope_factor * ramp + ext * (1 - ramp)


def rope_tables(c: Config, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine tables [length, head_dim / 2], YaRN's factor included."""
    m = 0.1 * math.log(c.rope_factor) + 1 if c.rope_factor > 1 else 1.0
    angle = torch.outer(torch.arange(length, dtype=torch.float64), inverse_frequencies(c))
    return (m * angle.cos()).float(), (m * angle.sin()).float()


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Half-split rotary embedding; x is [..., positions, head_dim]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def mxfp4_codes(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Blocks of 32 along the last dimension -> (magnitude index, sign, exponent)."""
    blocks = w.reshape(*w.shape[:-1], -1, 32)
    amax = blocks.abs().amax(-1, keepdim=True).clamp_min(2.0 ** -100)
    exponent = torch.floor(torch.log2(amax)) - 2
    scaled = blocks * torch.exp2(-exponent)
    return torch.bucketize(scaled.abs(), E2M1_MIDDLES), scaled < 0, exponent


def mxfp4_round(w: torch.Tensor) -> torch.Tensor:
    """The value of every weight after a trip through MXFP4."""
    index, negative, exponent = mxfp4_codes(w)
    value = E2M1[index] * torch.exp2(exponent)
    return torch.where(negative, -value, value).reshape(w.shape)


class Attention(nn.Module):
    """Grouped-query attention with a sink logit per query head."""

    def __init__(self, c: Config, layer: int):
        super().__init__()
        self.c = c
        self.window = c.sliding_window if layer % 2 == 0 else None
        heads, groups, size = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, heads * size)
        self.k_proj = nn.Linear(c.hidden_size, groups * size)
        self.v_proj = nn.Linear(c.hidden_size, groups * size)
        self.o_proj = nn.Linear(heads * size, c.hidden_size)
        self.sinks = nn.Parameter(torch.zeros(heads))

    def forward(self, x, cos, sin, positions=None, cache=None):
        """x [B, T, H]; with a cache (keys, values) T is 1 and `positions` names each row's place."""
        c, (rows, length, _) = self.c, x.shape
        groups, per = c.num_key_value_heads, c.num_attention_heads // c.num_key_value_heads
        q = self.q_proj(x).view(rows, length, groups * per, c.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(rows, length, groups, c.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(rows, length, groups, c.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is None:
            at = torch.arange(length, device=x.device)
            ahead = at[:, None] - at[None, :]
        else:
            keys, values = cache
            keys[torch.arange(rows), :, positions] = k[:, :, 0]
            values[torch.arange(rows), :, positions] = v[:, :, 0]
            top = int(positions.max()) + 1
            k, v = keys[:, :, :top], values[:, :, :top]
            ahead = (positions[:, None] - torch.arange(top)[None, :])[:, None, None, None]
        hidden = ahead < 0
        if self.window is not None:
            hidden = hidden | (ahead >= self.window)
        q = q.reshape(rows, groups, per * length, c.head_dim)
        scores = torch.matmul(q, k.transpose(-1, -2)) * c.head_dim ** -0.5
        scores = scores.view(rows, groups, per, length, -1).masked_fill(hidden, -1e30)
        sink = self.sinks.view(1, groups, per, 1, 1).expand(rows, -1, -1, length, 1)
        weights = torch.softmax(torch.cat((scores, sink), -1), -1)[..., :-1]
        out = torch.matmul(weights.reshape(rows, groups, per * length, -1), v)
        out = out.view(rows, groups * per, length, c.head_dim).transpose(1, 2)
        return self.o_proj(out.reshape(rows, length, -1))


class Experts(nn.Module):
    """Top-k mixture of experts with the clamped SwiGLU; gate rows first, then up rows."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        e, h, f = c.num_local_experts, c.hidden_size, c.intermediate_size
        self.router = nn.Linear(h, e)
        self.w1 = nn.Parameter(torch.randn(e, 2 * f, h) * h ** -0.5)
        self.b1 = nn.Parameter(torch.zeros(e, 2 * f))
        self.w2 = nn.Parameter(torch.randn(e, h, f) * f ** -0.5)
        self.b2 = nn.Parameter(torch.zeros(e, h))
        self.quantise = False
        self.balance = None  # load-balance term of the last forward pass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [N, H] -> [N, H]."""
        c, n, k = self.c, x.shape[0], self.c.num_experts_per_tok
        logits = self.router(x)
        top, chosen = torch.topk(logits, k, dim=-1)
        share = torch.softmax(top, -1)
        flat = chosen.reshape(-1)
        counts = torch.bincount(flat, minlength=c.num_local_experts)
        if self.training:
            self.balance = c.num_local_experts * (
                torch.softmax(logits, -1).mean(0) * counts / flat.numel()).sum()
        order = torch.argsort(flat)
        w1, w2 = self.w1, self.w2
        if self.quantise:
            w1 = w1 + (mxfp4_round(w1.detach()) - w1.detach())
            w2 = w2 + (mxfp4_round(w2.detach()) - w2.detach())
        outs = []
        for e, part in enumerate(x[order // k].split(counts.tolist())):
            gate, up = torch.addmm(self.b1[e], part, w1[e].t()).chunk(2, -1)
            gate = gate.clamp(max=c.swiglu_limit)
            up = up.clamp(-c.swiglu_limit, c.swiglu_limit)
            outs.append(torch.addmm(self.b2[e], gate * torch.sigmoid(1.702 * gate) * (up + 1),
                                    w2[e].t()))
        back = torch.empty_like(order)
        back[order] = torch.arange(order.numel(), device=x.device)
        return (torch.cat(outs)[back].view(n, k, -1) * share[..., None]).sum(1)


class Layer(nn.Module):
    """One transformer layer."""

    def __init__(self, c: Config, index: int):
        super().__init__()
        self.norm1 = nn.Parameter(torch.ones(c.hidden_size))
        self.attn = Attention(c, index)
        self.norm2 = nn.Parameter(torch.ones(c.hidden_size))
        self.mlp = Experts(c)


class Nano(nn.Module):
    """The whole model."""

    def __init__(self, c: Config):
        super().__init__()
        self.c = c
        self.embed = nn.Parameter(torch.randn(c.vocab_size, c.hidden_size))
        self.layers = nn.ModuleList(Layer(c, i) for i in range(c.num_hidden_layers))
        self.norm = nn.Parameter(torch.ones(c.hidden_size))
        self.head = nn.Parameter(torch.randn(c.vocab_size, c.hidden_size) * 0.02)
        self.cos, self.sin = rope_tables(c, 2048)

    def forward(self, tokens, wanted=None, positions=None, cache=None):
        """tokens [B, T] -> logits. `wanted`: flat places whose logits are needed (all if None)."""
        c = self.c
        x = self.embed[tokens]
        if cache is None:
            cos, sin = self.cos[:tokens.shape[1]], self.sin[:tokens.shape[1]]
        else:
            cos, sin = self.cos[positions][:, None, None], self.sin[positions][:, None, None]
        for i, layer in enumerate(self.layers):
            norm = F.rms_norm(x, (c.hidden_size,), layer.norm1, c.rms_norm_eps)
            x = x + layer.attn(norm, cos, sin, positions, cache[i] if cache else None)
            flat = x.reshape(-1, c.hidden_size)
            if i == c.num_hidden_layers - 1 and wanted is not None:
                flat = flat[wanted]
            norm = F.rms_norm(flat, (c.hidden_size,), layer.norm2, c.rms_norm_eps)
            flat = flat + layer.mlp(norm)
            x = flat.view(x.shape) if flat.shape[0] == x.shape[0] * x.shape[1] else flat
        return F.rms_norm(x, (c.hidden_size,), self.norm, c.rms_norm_eps) @ self.head.t()

    def set_quantise(self, on: bool) -> None:
        """Use MXFP4-rounded expert weights (straight-through gradients)."""
        for layer in self.layers:
            layer.mlp.quantise = on

    def balance(self) -> torch.Tensor:
        """Sum of the layers' load-balance terms."""
        return sum(layer.mlp.balance for layer in self.layers)

    def new_cache(self, rows: int, length: int):
        """Empty keys and values for `rows` sequences of at most `length` tokens."""
        shape = (rows, self.c.num_key_value_heads, length, self.c.head_dim)
        return [(torch.zeros(shape), torch.zeros(shape)) for _ in self.layers]
