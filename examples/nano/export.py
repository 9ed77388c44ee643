"""Trained weights -> the Hugging Face layout of gpt-oss: MXFP4 experts, bf16 for the rest."""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file

import checkpoint
import vocabulary
from model import E2M1, Config, Nano, mxfp4_parts


def pack_mxfp4(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[..., n] f32 -> blocks [..., n/32, 16] u8 (element 2j in the low nibble of byte j) and scales [..., n/32] u8."""
    codes, exponents = mxfp4_parts(w)
    return codes[..., 0::2] | codes[..., 1::2] << 4, (exponents + 127).to(torch.uint8)


def tensors(net: Nano) -> dict[str, torch.Tensor]:
    out = {"model.embed_tokens.weight": net.embedding, "model.norm.weight": net.norm, "lm_head.weight": net.unembedding}
    for n, layer in enumerate(net.layers):
        names = {
            "input_layernorm.weight": layer.attention_norm, "post_attention_layernorm.weight": layer.mlp_norm,
            "self_attn.q_proj.weight": layer.q, "self_attn.q_proj.bias": layer.q_bias,
            "self_attn.k_proj.weight": layer.k, "self_attn.k_proj.bias": layer.k_bias,
            "self_attn.v_proj.weight": layer.v, "self_attn.v_proj.bias": layer.v_bias,
            "self_attn.o_proj.weight": layer.o, "self_attn.o_proj.bias": layer.o_bias, "self_attn.sinks": layer.sinks,
            "mlp.router.weight": layer.router, "mlp.router.bias": layer.router_bias,
            "mlp.experts.gate_up_proj_bias": layer.gate_up_bias, "mlp.experts.down_proj_bias": layer.down_bias,
        }
        out |= {f"model.layers.{n}.{k}": v for k, v in names.items()}
    out = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in out.items()}
    for n, layer in enumerate(net.layers):
        for name, weight in (("gate_up_proj", layer.gate_up), ("down_proj", layer.down)):
            blocks, scales = pack_mxfp4(weight.detach())
            out[f"model.layers.{n}.mlp.experts.{name}_blocks"] = blocks.contiguous()
            out[f"model.layers.{n}.mlp.experts.{name}_scales"] = scales.contiguous()
    return out


def config_json(c: Config, special: dict[str, int]) -> dict:
    return {
        "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "attention_bias": True, "hidden_act": "silu",
        "hidden_size": c.hidden, "intermediate_size": c.intermediate, "num_hidden_layers": c.layers, "head_dim": c.head_dim,
        "num_attention_heads": c.heads, "num_key_value_heads": c.kv_heads, "num_local_experts": c.experts,
        "num_experts_per_tok": c.experts_per_token, "experts_per_token": c.experts_per_token,
        "layer_types": ["sliding_attention", "full_attention"] * (c.layers // 2), "sliding_window": c.window,
        "swiglu_limit": c.swiglu_limit, "rms_norm_eps": c.norm_eps, "vocab_size": c.vocab, "tie_word_embeddings": False,
        "rope_theta": c.rope_theta, "initial_context_length": c.initial_context, "max_position_embeddings": int(c.initial_context * c.rope_factor),
        "rope_scaling": {"rope_type": "yarn", "factor": c.rope_factor, "original_max_position_embeddings": c.initial_context,
                         "beta_fast": c.rope_beta, "beta_slow": c.rope_alpha, "truncate": False},
        "eos_token_id": [special["<|return|>"], special["<|call|>"]], "pad_token_id": special["<|end|>"], "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": [
            "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]},
    }


def write(net: Nano, v: vocabulary.Vocabulary, out: pathlib.Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(net), out / "model.safetensors.part", metadata={"format": "pt"})
    (out / "model.safetensors.part").rename(out / "model.safetensors")
    (out / "config.json").write_text(json.dumps(config_json(net.config, v.special), indent=1) + "\n")
    generation = {"do_sample": False, "eos_token_id": [v.special["<|return|>"], v.special["<|call|>"]], "pad_token_id": v.special["<|end|>"]}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    (out / "tokenizer.json").write_text(v.to_json())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=pathlib.Path, nargs="+", help="what train.py wrote; of several, stages of one run, the mean (one named twice counts twice)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent / "weights")
    args = parser.parse_args()

    v, net = checkpoint.mean(args.checkpoints)
    write(net, v, args.out)
    print(f"{args.out}: {sum(f.stat().st_size for f in args.out.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
