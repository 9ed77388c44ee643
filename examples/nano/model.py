"""The gpt-oss architecture in PyTorch, small enough to train on a processor, with the copy circuit written in.

Shapes: B sequences, T tokens, N = tokens in all. Weights are [out, in] as in the checkpoints. The arithmetic is that of
openai/gpt-oss gpt_oss/torch/model.py; nothing is added, so the trained weights run in any gpt-oss engine.
"""

import dataclasses
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
LONGEST = 2048  # tokens a sequence may have


@dataclasses.dataclass(frozen=True)
class Config:
    vocab: int
    hidden: int = 128
    layers: int = 4
    head_dim: int = 32
    heads: int = 4
    kv_heads: int = 2
    intermediate: int = 128
    experts: int = 8
    experts_per_token: int = 2
    window: int = 64  # of the even layers
    swiglu_limit: float = 7.0
    norm_eps: float = 1e-5
    rope_theta: float = 150000.0
    initial_context: int = 1024
    rope_factor: float = 4.0
    rope_alpha: float = 1.0
    rope_beta: float = 32.0
    reserved: int = 32  # residual dimensions the embedding leaves to the copy circuit


def rope_frequencies(c: Config) -> torch.Tensor:
    """YaRN with unrounded bounds: [head_dim / 2] radians a position."""
    half = c.head_dim // 2
    bound = lambda beta: half * math.log(c.initial_context / (beta * 2 * math.pi)) / math.log(c.rope_theta)  # noqa: E731
    low, high = bound(c.rope_beta), bound(c.rope_alpha)
    i = torch.arange(half, dtype=torch.float64)
    plain = c.rope_theta ** (-i / half)
    ramp = ((i - low) / (high - low)).clamp(0, 1)
    return plain / c.rope_factor * ramp + plain * (1 - ramp)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def rms_norm(x: torch.Tensor, scale: torch.Tensor, eps: float) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * scale


def mxfp4_parts(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest MXFP4 of [..., n]: codes [..., n/32, 32] u8 (bit 3 = sign) and exponents [..., n/32] (OCP MX rule)."""
    blocks = w.reshape(*w.shape[:-1], -1, 32)
    largest = blocks.abs().amax(-1).clamp_min(2.0**-120)
    exponents = torch.floor(torch.log2(largest)) - 2
    scaled = (blocks / torch.exp2(exponents)[..., None]).abs().clamp(max=6)
    middles = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
    codes = torch.bucketize(scaled, middles).to(torch.uint8)
    return codes | (blocks < 0).to(torch.uint8) << 3, exponents


def mxfp4_rounded(w: torch.Tensor) -> torch.Tensor:
    codes, exponents = mxfp4_parts(w)
    value = E2M1[(codes & 7).long()] * torch.exp2(exponents)[..., None]
    return torch.where(codes >= 8, -value, value).reshape(w.shape)


def causal(q, k, v, sinks):
    """Attention over all that came before. q, k, v [B, heads, T, head_dim], sinks [heads] -> [B, heads, T, head_dim].

    The sink is a key in front of the others with a value of 0: one more dimension, 1 in every query, holds its logit, so
    that torch's fused kernel does the rest.
    """
    d = q.shape[-1]
    one = F.pad(torch.cat([q, torch.ones_like(q[..., :1])], -1), (0, 0, 1, 0))
    logit = F.pad((sinks * d**0.5).view(1, -1, 1, 1), (d, 0)).expand(q.shape[0], -1, 1, -1)
    keys = torch.cat([logit, F.pad(k, (0, 1))], 2)
    return F.scaled_dot_product_attention(one, keys, F.pad(v, (0, 1, 1, 0)), is_causal=True, scale=d**-0.5)[:, :, 1:, :d]


def windowed(q, k, v, sinks, window: int):
    """The same over the last `window` positions alone: blocks of that length, each looks at itself and at the one before."""
    b, heads, t, d = q.shape
    n = -(-t // window)
    fill = n * window - t
    pairs = lambda y: F.pad(y, (0, 0, window, fill)).unfold(2, 2 * window, window).transpose(-1, -2)  # noqa: E731
    i, j = torch.arange(window)[:, None] + window, torch.arange(2 * window)
    mask = torch.where((i >= j) & (i - j < window), 0.0, -torch.inf).repeat(n, 1, 1)
    mask[0, :, :window] = -torch.inf
    scores = F.pad(q, (0, 0, 0, fill)).view(b, heads, n, window, d) @ pairs(k).transpose(-1, -2) * d**-0.5 + mask
    weights = torch.cat([scores, sinks.view(1, -1, 1, 1, 1).expand(b, -1, n, window, 1)], -1).softmax(-1)[..., :-1]
    return (weights @ pairs(v)).reshape(b, heads, n * window, d)[:, :, :t]


class Layer(nn.Module):
    def __init__(self, c: Config, index: int):
        super().__init__()
        self.config = c
        self.sliding = index % 2 == 0
        self.rounded = False  # experts pass through MXFP4 in the forward direction (straight-through gradient)
        self.balance_loss = torch.zeros(())
        residual = 1 / math.sqrt(2 * c.layers)
        weight = lambda *shape, fan_in, gain=1.0: nn.Parameter(torch.randn(*shape) * gain * fan_in**-0.5)  # noqa: E731
        zeros = lambda *shape: nn.Parameter(torch.zeros(*shape))  # noqa: E731
        q, kv = c.heads * c.head_dim, c.kv_heads * c.head_dim
        self.attention_norm, self.mlp_norm = nn.Parameter(torch.ones(c.hidden)), nn.Parameter(torch.ones(c.hidden))
        self.q, self.q_bias = weight(q, c.hidden, fan_in=c.hidden), zeros(q)
        self.k, self.k_bias = weight(kv, c.hidden, fan_in=c.hidden), zeros(kv)
        self.v, self.v_bias = weight(kv, c.hidden, fan_in=c.hidden), zeros(kv)
        self.o, self.o_bias = weight(c.hidden, q, fan_in=q, gain=residual), zeros(c.hidden)
        self.sinks = nn.Parameter(torch.full((c.heads,), -2.0))
        self.router, self.router_bias = weight(c.experts, c.hidden, fan_in=c.hidden), zeros(c.experts)
        self.gate_up, self.gate_up_bias = weight(c.experts, 2 * c.intermediate, c.hidden, fan_in=c.hidden), zeros(c.experts, 2 * c.intermediate)
        self.down, self.down_bias = weight(c.experts, c.hidden, c.intermediate, fan_in=c.intermediate, gain=residual), zeros(c.experts, c.hidden)

    def attention(self, x, cos, sin):
        """x [B, T, hidden] -> the same with the attention's output added."""
        c = self.config
        b, t, _ = x.shape
        a = rms_norm(x, self.attention_norm, c.norm_eps)
        heads = lambda y, n: y.view(b, t, n, c.head_dim).transpose(1, 2)  # noqa: E731
        q = rotate(heads(F.linear(a, self.q, self.q_bias), c.heads), cos, sin)
        k = rotate(heads(F.linear(a, self.k, self.k_bias), c.kv_heads), cos, sin)
        v = heads(F.linear(a, self.v, self.v_bias), c.kv_heads)
        k, v = (y.repeat_interleave(c.heads // c.kv_heads, 1) for y in (k, v))
        mixed = windowed(q, k, v, self.sinks, c.window) if self.sliding and t > c.window else causal(q, k, v, self.sinks)
        return x + F.linear(mixed.transpose(1, 2).reshape(b, t, -1), self.o, self.o_bias)

    def expert_weights(self):
        if not self.rounded:
            return self.gate_up, self.down
        return tuple(w + (mxfp4_rounded(w.detach()) - w).detach() for w in (self.gate_up, self.down))

    def mlp(self, x):
        """x [..., hidden] -> the same with the experts' output added."""
        c = self.config
        m = rms_norm(x, self.mlp_norm, c.norm_eps).reshape(-1, c.hidden)
        logits = F.linear(m, self.router, self.router_bias)
        top, chosen = logits.topk(c.experts_per_token, -1)
        share = top.softmax(-1).reshape(-1)
        if self.training:
            used = F.one_hot(chosen, c.experts).float().mean((0, 1))
            self.balance_loss = c.experts * (logits.softmax(-1).mean(0) * used).sum()
        gate_up, down = (w.unbind() for w in self.expert_weights())  # one gradient for all, not one as large for each
        chosen = chosen.reshape(-1)
        order = chosen.argsort(stable=True)  # rows grouped by expert
        row = order // c.experts_per_token
        groups = m[row].split(torch.bincount(chosen, minlength=c.experts).tolist())
        outputs = []
        for e, rows in enumerate(groups):
            h = F.linear(rows, gate_up[e], self.gate_up_bias[e])
            gate, up = h[:, 0::2].clamp(max=c.swiglu_limit), h[:, 1::2].clamp(-c.swiglu_limit, c.swiglu_limit)
            outputs.append(F.linear(gate * torch.sigmoid(1.702 * gate) * (up + 1), down[e], self.down_bias[e]))
        mixed = torch.cat(outputs) * share[order, None]
        return x + torch.zeros_like(m).index_add(0, row, mixed).view(x.shape)


class Nano(nn.Module):
    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.embedding = nn.Parameter(torch.randn(c.vocab, c.hidden))
        self.layers = nn.ModuleList(Layer(c, i) for i in range(c.layers))
        self.norm = nn.Parameter(torch.ones(c.hidden))
        self.unembedding = nn.Parameter(torch.randn(c.vocab, c.hidden) * 0.02)
        angles = torch.arange(LONGEST, dtype=torch.float64)[:, None] * rope_frequencies(c)
        concentration = 0.1 * math.log(c.rope_factor) + 1
        self.register_buffer("cos", (angles.cos() * concentration).float(), persistent=False)
        self.register_buffer("sin", (angles.sin() * concentration).float(), persistent=False)

    def forward(self, tokens: torch.Tensor, positions: torch.Tensor | None = None) -> torch.Tensor:
        """tokens [B, T] -> logits [B, T, vocab], or [n, vocab] at the flat `positions` alone: the last experts and the
        unembedding are then computed only there."""
        c, t = self.config, tokens.shape[1]
        x = self.embedding[tokens]
        for n, layer in enumerate(self.layers):
            x = layer.attention(x, self.cos[:t], self.sin[:t])
            if positions is not None and n == c.layers - 1:
                x = x.reshape(-1, c.hidden)[positions]
            x = layer.mlp(x)
        return F.linear(rms_norm(x, self.norm, c.norm_eps), self.unembedding)

    @torch.no_grad()
    def write_copy_circuit(self, peak: float = 6.0, match: float = 2.0, gain: float = 1.5, unembed: float = 0.12) -> None:
        """Induction heads in the initial weights. Nearly all nano does is copying (operands into code, result into the
        answer), and copying is what training from random weights finds last.

        Layer 0 heads 0 and 1 look one and two tokens back: key and query biases on the four fastest rotary pairs differ
        by a rotation of one or two positions, so the score peaks there. They write a projection of those tokens into the
        reserved dimensions. In layer 1 one head of each group matches (this token, the one before) with (the one before,
        two before) of every earlier position, on the slow rotary pairs, which turn little over a conversation, and
        copies what stands there, rotated by R so that the current token does not predict itself.
        """
        c = self.config
        content, half, d = c.hidden - c.reserved, c.head_dim // 2, c.head_dim
        frequency = rope_frequencies(c).float()
        orthonormal = lambda: torch.linalg.qr(torch.randn(content, content))[0]  # noqa: E731
        self.embedding[:, content:] = 0
        for layer in self.layers:
            layer.o[content:] = 0
            layer.down[:, content:] = 0

        back = self.layers[0]
        probe = orthonormal()[:12]
        back.q[: 2 * d] *= 0.02
        back.k[:d] *= 0.02
        back.k_bias[:4] = peak
        for head, offset in ((0, 1), (1, 2)):
            for pair in range(4):
                angle = -offset * frequency[pair]
                back.q_bias[head * d + pair] = peak * math.cos(angle)
                back.q_bias[head * d + half + pair] = peak * math.sin(angle)
        back.v[:d] = 0
        back.v[:12, :content] = probe
        back.o[:, : 2 * d] = 0
        for j in range(12):
            back.o[content + j, j] = 1.0
        for j in range(8):
            back.o[content + 12 + j, d + j] = 1.0

        copy = self.layers[1]
        turn, basis = orthonormal(), orthonormal()
        slow = [*range(6, half), *range(6 + half, d)]
        for group in range(c.kv_heads):
            q0, k0 = group * (c.heads // c.kv_heads) * d, group * d
            copy.q[q0 : q0 + d] = 0
            copy.k[k0 : k0 + d] = 0
            for j in range(12):
                copy.q[q0 + slow[j], :content] = probe[j] * match
                copy.k[k0 + slow[j], content + j] = match
            for j in range(8):
                copy.q[q0 + slow[12 + j], content + j] = match
                copy.k[k0 + slow[12 + j], content + 12 + j] = match
            carried = basis[k0 : k0 + d]
            copy.v[k0 : k0 + d] = 0
            copy.v[k0 : k0 + d, :content] = carried
            copy.o[:, q0 : q0 + d] = 0
            copy.o[:content, q0 : q0 + d] = (carried @ turn).T * gain
        self.unembedding.normal_(std=0.02)
        self.unembedding[:, :content] += unembed * (self.embedding[:, :content] @ turn)


@torch.no_grad()
def copy_accuracy(net: Nano, seed: int = 0) -> float:
    """How often the net continues the second half of a repeated random sequence: the test of the written-in circuit."""
    generator = torch.Generator().manual_seed(seed)
    half = torch.randint(0, net.config.vocab, (8, 40), generator=generator)
    tokens = torch.cat([half, half], 1)
    predicted = net.eval()(tokens).argmax(-1)
    return (predicted[:, 42:-1] == tokens[:, 43:]).float().mean().item()
