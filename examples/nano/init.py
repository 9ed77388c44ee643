"""Writes a working copy circuit into a fresh model.

Nearly everything nano does is copying, and copying is what a small model learns last.
gpt-oss has biases on q, k and v, so induction heads can be written down directly:
layer 0 finds the three tokens before each position (biases that peak at a fixed
distance under the rotary embedding) and stores a sketch of them in reserved residual
dimensions; layer 1 looks for the place whose three predecessors equal the current
three tokens and copies what stands there.
"""

import math

import torch

from model import Config, Nano, inverse_frequencies

BIAS, MATCH, SHARE, FAST = 6.0, math.sqrt(2.5), 0.12, 4


def orthonormal(rows: int, columns: int) -> torch.Tensor:
    """`rows` orthonormal rows of length `columns`."""
    return torch.linalg.qr(torch.randn(columns, columns))[0][:rows].contiguous()


def slow_places(c: Config) -> list[int]:
    """Head dimensions on slow rotary pairs: what is written there survives rotation."""
    half = c.head_dim // 2
    slow = [i for i, f in enumerate(inverse_frequencies(c).tolist()) if f < 0.02]
    return [i for pair in slow for i in (pair, pair + half)]


@torch.no_grad()
def write_copy_circuit(model: Nano) -> None:
    """Initialise `model` in place."""
    c = model.c
    half, per = c.head_dim // 2, c.num_attention_heads // c.num_key_value_heads
    slow = slow_places(c)
    sizes = [len(slow) * 2 // 5, len(slow) * 3 // 10, len(slow) * 3 // 10]
    reserve = sum(sizes)
    content = c.hidden_size - reserve
    starts = [content, content + sizes[0], content + sizes[0] + sizes[1]]
    scale = (2 * c.num_hidden_layers) ** -0.5
    for layer in model.layers:
        for linear in (layer.attn.q_proj, layer.attn.k_proj, layer.attn.v_proj, layer.attn.o_proj,
                       layer.mlp.router):
            linear.weight.normal_(0, linear.in_features ** -0.5)
            linear.bias.zero_()
        layer.attn.o_proj.weight.mul_(scale)
        layer.mlp.w2.mul_(scale)
    model.embed.normal_()
    model.embed[:, content:] = 0
    sketch = orthonormal(sizes[0], content)

    first = model.layers[0].attn
    first.q_proj.weight.normal_(0, 0.02)
    first.k_proj.weight.normal_(0, 0.02)
    inv = inverse_frequencies(c)[:FAST].float()
    for group in range(c.num_key_value_heads):
        first.k_proj.bias[group * c.head_dim:][:FAST] = BIAS
        first.v_proj.weight[group * c.head_dim:][:sizes[0]].zero_()
        first.v_proj.weight[group * c.head_dim:][:sizes[0], :content] = sketch
    for distance, head in ((1, 0), (2, 1), (3, 2)):
        base = head * c.head_dim
        first.q_proj.bias[base:base + FAST] = BIAS * torch.cos(-distance * inv)
        first.q_proj.bias[base + half:base + half + FAST] = BIAS * torch.sin(-distance * inv)
        size = sizes[distance - 1]
        first.o_proj.weight[:, base:base + c.head_dim] = 0
        to = torch.arange(size)
        first.o_proj.weight[starts[distance - 1] + to, base + to] = 1.0

    second = model.layers[1].attn
    turn = orthonormal(content, content)
    basis = orthonormal(content, content)
    share = min(c.head_dim, content // c.num_key_value_heads)
    parts = [slow[:sizes[0]], slow[sizes[0]:sizes[0] + sizes[1]], slow[-sizes[2]:]]
    for group in range(c.num_key_value_heads):
        q = second.q_proj.weight[group * per * c.head_dim:][:c.head_dim]
        k = second.k_proj.weight[group * c.head_dim:][:c.head_dim]
        q.normal_(0, 0.02)
        k.normal_(0, 0.02)
        q[parts[0], :content] = MATCH * sketch
        for i in (1, 2):
            q[parts[i], starts[i - 1] + torch.arange(sizes[i])] += MATCH
        for i in (0, 1, 2):
            k[parts[i], starts[i] + torch.arange(sizes[i])] += MATCH
        rows = basis[group * share:(group + 1) * share]
        v = second.v_proj.weight[group * c.head_dim:][:c.head_dim]
        v[:share] = 0
        v[:share, :content] = rows
        base = group * per * c.head_dim
        second.o_proj.weight[:, base:base + c.head_dim] = 0
        second.o_proj.weight[:content, base:base + share] = turn @ rows.t()
    model.head.normal_(0, 0.02)
    model.head[:, :content] += SHARE * model.embed[:, :content] @ turn.t()


def repeat_accuracy(model: Nano, rows: int = 16, length: int = 24, low: int = 0,
                    high: int | None = None) -> float:
    """How often the model continues the second copy of a random sequence rightly."""
    high = high or model.c.vocab_size
    part = torch.randint(low, high, (rows, length))
    with torch.no_grad():
        out = model(torch.cat((part, part), 1)).argmax(-1)
    return (out[:, length + 3:-1] == part[:, 4:]).float().mean().item()
