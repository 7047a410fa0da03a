#!/usr/bin/env python3
"""Writes Tests/Golden/models/*.gguf and tiny.json: tiny random models, and what transformers computes with them.

    python3 -m pip install torch==2.13.0 transformers==5.24.0 gguf==0.19.0 numpy
    python3 scripts/vectors/models.py Tests/Golden/models

Each model is random weights, quantised and dequantised by `gguf`, in two places: a GGUF file as llama.cpp's converter
would write it (q and k rows of the llama architecture permuted for interleaved rotary pairs, 1 added to Gemma's norms,
Llama 3's frequencies as factors), and a model of transformers in float32 with eager attention. No code of this
repository is involved.

tiny.json: `cases` (token ids; the log-probability of each but the first; the last position's logits; a greedy
continuation with the gap between the two largest logits; `ropeScaling` and `openedFor` as this program is given them)
and `rotary` (frequencies, attention factor, and cosines and sines at positions past the original context length).
`ntk` is not in transformers: there it is the default embedding of the larger base.
"""

import importlib.metadata
import json
import math
import pathlib
import platform
import sys

import gguf
import numpy as np
import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

VOCABULARY = 300
FORMATS = gguf.GGMLQuantizationType


class Model:
    """Weights by the names of transformers (float32, as the file holds them), and the file."""

    def __init__(self, name, architecture, seed, *, hidden, heads, kv_heads, dimension, inner, layers, context,
                 format=FORMATS.Q8_0, window=None, tied=True, biases=False, head_norms=False, gemma=False, base=1e4,
                 settings=(), factors=None):
        self.name, self.architecture = name, architecture
        self.hidden, self.heads, self.kv_heads, self.dimension = hidden, heads, kv_heads, dimension
        self.inner, self.layers, self.context, self.window, self.tied = inner, layers, context, window, tied
        self.base, self.gemma, self.biases = base, gemma, biases
        self.format = format
        self.random = np.random.default_rng(seed)
        self.state = {}
        self.writer = gguf.GGUFWriter(None, architecture)
        self.add_settings(settings)
        self.add_tensors(head_norms, factors)

    def add_settings(self, settings):
        writer = self.writer
        writer.add_block_count(self.layers)
        writer.add_context_length(self.context)
        writer.add_embedding_length(self.hidden)
        writer.add_feed_forward_length(self.inner)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_key_length(self.dimension)
        writer.add_value_length(self.dimension)
        writer.add_rope_freq_base(self.base)
        writer.add_layer_norm_rms_eps(1e-6)
        if self.window:
            writer.add_sliding_window(self.window)
        for key, value in settings:
            add = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)]
            add(f"{self.architecture}.{key}", value)

    def add_tensors(self, head_norms, factors):
        q, kv = self.heads * self.dimension, self.kv_heads * self.dimension
        small = 1 / math.sqrt(self.hidden)
        self.matrix("token_embd", "model.embed_tokens", VOCABULARY, self.hidden, 2.5 * small)
        for layer in range(self.layers):
            ours, theirs = f"blk.{layer}.", f"model.layers.{layer}."
            attention, feed_forward = theirs + "self_attn.", theirs + "mlp."
            self.norm(ours + "attn_norm", theirs + "input_layernorm", self.hidden)
            for letter, rows, heads, size in (("q", q, self.heads, 1.4), ("k", kv, self.kv_heads, 1.4), ("v", kv, None, 1)):
                permuted = heads if self.architecture == "llama" else None
                self.matrix(ours + f"attn_{letter}", attention + f"{letter}_proj", rows, self.hidden, size * small, permuted)
                if self.biases:
                    self.vector(ours + f"attn_{letter}.bias", attention + f"{letter}_proj.bias",
                                0.3 * self.random.standard_normal(rows), permuted)
            if head_norms:
                self.norm(ours + "attn_q_norm", attention + "q_norm", self.dimension)
                self.norm(ours + "attn_k_norm", attention + "k_norm", self.dimension)
            self.matrix(ours + "attn_output", attention + "o_proj", self.hidden, q, 1 / math.sqrt(q))
            if self.gemma:
                self.norm(ours + "post_attention_norm", theirs + "post_attention_layernorm", self.hidden)
                self.norm(ours + "ffn_norm", theirs + "pre_feedforward_layernorm", self.hidden)
                self.norm(ours + "post_ffw_norm", theirs + "post_feedforward_layernorm", self.hidden)
            else:
                self.norm(ours + "ffn_norm", theirs + "post_attention_layernorm", self.hidden)
            self.matrix(ours + "ffn_gate", feed_forward + "gate_proj", self.inner, self.hidden, 1.5 * small)
            self.matrix(ours + "ffn_up", feed_forward + "up_proj", self.inner, self.hidden, 1.5 * small)
            self.matrix(ours + "ffn_down", feed_forward + "down_proj", self.hidden, self.inner, 1 / math.sqrt(self.inner))
        self.norm("output_norm", "model.norm", self.hidden)
        if self.tied:
            self.state["lm_head.weight"] = self.state["model.embed_tokens.weight"]
        else:
            self.matrix("output", "lm_head", VOCABULARY, self.hidden, 2.5 * small)
        if factors is not None:
            self.writer.add_tensor("rope_freqs.weight", factors.astype(np.float32))

    def matrix(self, ours, theirs, rows, columns, deviation, permuted_heads=None):
        weights = (deviation * self.random.standard_normal((rows, columns))).astype(np.float32)
        # As llama.cpp does where rows are no whole blocks.
        format = self.format if columns % 32 == 0 else FORMATS.F16
        data = gguf.quants.quantize(weights, format)
        self.state[theirs + ".weight"] = gguf.quants.dequantize(data, format)
        if permuted_heads:
            data = permute(data, permuted_heads)
        self.writer.add_tensor(ours + ".weight", data, raw_dtype=format)

    def vector(self, ours, theirs, values, permuted_heads=None):
        self.state[theirs] = values.astype(np.float32)
        stored = permute(self.state[theirs], permuted_heads) if permuted_heads else self.state[theirs]
        self.writer.add_tensor(ours, stored)

    def norm(self, ours, theirs, count):
        values = (0.2 * self.random.standard_normal(count)).astype(np.float32)
        self.state[theirs + ".weight"] = values if self.gemma else 1 + values
        self.writer.add_tensor(ours + ".weight", 1 + values)

    def write(self, folder):
        self.writer.write_header_to_file(pathlib.Path(folder) / f"{self.name}.gguf")
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()

    def load(self, kind, rope, **settings):
        """The model of transformers, with rope parameters as transformers has them."""
        config_type, model_type = {
            "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
            "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
            "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
            "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
            "gemma3": (transformers.Gemma3TextConfig, transformers.Gemma3ForCausalLM),
        }[kind]
        config = config_type(
            vocab_size=VOCABULARY, hidden_size=self.hidden, intermediate_size=self.inner,
            num_hidden_layers=self.layers, num_attention_heads=self.heads, num_key_value_heads=self.kv_heads,
            head_dim=self.dimension, max_position_embeddings=self.context, rms_norm_eps=1e-6,
            tie_word_embeddings=self.tied, rope_parameters=rope, attn_implementation="eager",
            pad_token_id=0, bos_token_id=1, eos_token_id=2, **settings)
        model = model_type(config).eval()
        state = {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in self.state.items()}
        absent, unknown = model.load_state_dict(state, strict=False)
        assert not unknown, unknown
        # The llama of transformers has a bias on the output of attention too; the GGUF's has none.
        for name in absent:
            assert name.endswith("o_proj.bias") and self.biases, name
            model.get_parameter(name).data.zero_()
        return model


def permute(rows, heads):
    """Rows of a head in the order 0, d/2, 1, d/2 + 1, …: pairs of halves become neighbours."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def rounded(values, digits=6):
    return [round(float(value), digits) for value in values]


@torch.no_grad()
def case(name, file, model, seed, count, scaling=None, opened_for=None, steps=10):
    ids = np.random.default_rng(seed).integers(3, VOCABULARY, count).tolist()
    logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()
    log_probabilities = torch.log_softmax(logits[:-1], -1)[torch.arange(count - 1), torch.tensor(ids[1:], dtype=torch.long)]
    new, gaps, text = [], [], list(ids)
    for _ in range(steps):
        last = model(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1]
        best = torch.topk(last, 2)
        new.append(int(best.indices[0]))
        gaps.append(float(best.values[0] - best.values[1]))
        text.append(new[-1])
    return {
        "name": name, "file": file, "ropeScaling": scaling, "openedFor": opened_for, "ids": ids,
        "logits": rounded(logits[-1]), "logProbabilities": rounded(log_probabilities),
        "newIDs": new, "gaps": rounded(gaps),
    }


def fix_frequencies(model, opened_for):
    """The dynamic embedding for a length, kept there: transformers would change it with the text."""
    rotary = model.model.rotary_emb
    rotary.inv_freq, rotary.attention_scaling = ROPE_INIT_FUNCTIONS["dynamic"](
        model.config, torch.device("cpu"), seq_len=opened_for)
    rotary.rope_type = "default"


def theirs(scaling, base, dimension, context):
    """A `ropeScaling` of this program as transformers' rope parameters."""
    if scaling is None:
        return {"rope_type": "default", "rope_theta": base}
    kind, factor = scaling["type"], scaling["factor"]
    if kind == "ntk":
        return {"rope_type": "default", "rope_theta": base * factor ** (dimension / (dimension - 2))}
    names = {
        "attentionFactor": "attention_factor", "betaFast": "beta_fast", "betaSlow": "beta_slow",
        "lowFrequencyFactor": "low_freq_factor", "highFrequencyFactor": "high_freq_factor",
    }
    rope = {names[key]: value for key, value in scaling.items() if key in names}
    rope |= {"rope_type": "dynamic" if kind == "dynamic-ntk" else kind, "rope_theta": base, "factor": float(factor)}
    if kind in ("yarn", "llama3"):
        rope["original_max_position_embeddings"] = scaling.get("originalContextLength", context)
    if kind == "llama3":
        rope = {"low_freq_factor": 1.0, "high_freq_factor": 4.0} | rope
    return rope


SCALINGS = [
    {"type": "linear", "factor": 4},
    {"type": "ntk", "factor": 4},
    {"type": "dynamic-ntk", "factor": 4},
    {"type": "yarn", "factor": 4, "originalContextLength": 64},
    {"type": "yarn", "factor": 4, "attentionFactor": 1.3, "betaFast": 8, "betaSlow": 2},
    {"type": "llama3", "factor": 4},
    {"type": "llama3", "factor": 8, "lowFrequencyFactor": 0.5, "highFrequencyFactor": 6, "originalContextLength": 48},
]


def llama_cases(folder):
    model = Model("llama", "llama", 1, hidden=64, heads=4, kv_heads=2, dimension=32, inner=96, layers=2, context=64)
    model.write(folder)
    plain = model.load("llama", theirs(None, 1e4, 32, 64))
    yield case("llama", "llama", plain, 11, 54)
    yield case("llama, 1 token", "llama", plain, 12, 1)
    for index, scaling in enumerate(SCALINGS):
        scaled = model.load("llama", theirs(scaling, 1e4, 32, 64))
        opened_for = 230 if scaling["type"] == "dynamic-ntk" else None
        if opened_for:
            fix_frequencies(scaled, opened_for)
        yield case(f"llama, {json.dumps(scaling)}", "llama", scaled, 13 + index, 200, scaling, opened_for)


def llama3_cases(folder):
    """Biases, groups of 4, and Llama 3's scaling as frequency factors in the file."""
    rope = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}
    plain = 1 / 5e5 ** (np.arange(0, 64, 2) / 64)
    config = transformers.LlamaConfig(head_dim=64, rope_parameters=rope, max_position_embeddings=512)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    model = Model("llama3", "llama", 2, hidden=64, heads=4, kv_heads=1, dimension=64, inner=64, layers=2, context=512,
                  format=FORMATS.Q5_1, tied=False, biases=True, base=5e5, factors=plain / scaled.double().numpy(),
                  settings=[("rope.dimension_count", 64), ("vocab_size", VOCABULARY)])
    model.write(folder)
    yield case("llama 3 with biases", "llama3", model.load("llama", rope, attention_bias=True), 31, 250)


def mistral_cases(folder):
    model = Model("mistral", "llama", 3, hidden=64, heads=4, kv_heads=4, dimension=16, inner=64, layers=2, context=64,
                  window=24, format=FORMATS.F16)
    model.write(folder)
    windowed = model.load("mistral", theirs(None, 1e4, 16, 64), sliding_window=24)
    for count in (13, 23, 24):
        yield case(f"mistral, {count} tokens", "mistral", windowed, 40 + count, count, steps=min(10, 25 - count))


def qwen_cases(folder):
    """Qwen 2 with YaRN in its metadata, logarithm multiplied; Qwen 3 with linear scaling."""
    rope = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 64,
            "beta_fast": 16.0, "beta_slow": 2.0, "mscale": 1.0, "mscale_all_dim": 0.7}
    model = Model("qwen2", "qwen2", 4, hidden=64, heads=7, kv_heads=1, dimension=32, inner=96, layers=2, context=64,
                  tied=False, biases=True, base=1e6, settings=[
                      ("rope.scaling.type", "yarn"), ("rope.scaling.factor", 4.0),
                      ("rope.scaling.original_context_length", 64), ("rope.scaling.yarn_beta_fast", 16.0),
                      ("rope.scaling.yarn_beta_slow", 2.0), ("rope.scaling.yarn_log_multiplier", 0.7)])
    model.write(folder)
    yield case("qwen 2 with YaRN of its own", "qwen2", model.load("qwen2", rope), 51, 150)
    scaling = {"type": "linear", "factor": 2}
    yield case("qwen 2, another scaling instead", "qwen2", model.load("qwen2", theirs(scaling, 1e6, 32, 64)), 52, 100,
               scaling)

    model = Model("qwen3", "qwen3", 5, hidden=64, heads=2, kv_heads=1, dimension=128, inner=96, layers=2, context=128,
                  head_norms=True, base=1e6, settings=[("rope.scaling.type", "linear"), ("rope.scaling.factor", 2.0)])
    model.write(folder)
    yield case("qwen 3", "qwen3", model.load("qwen3", theirs({"type": "linear", "factor": 2}, 1e6, 128, 128)), 53, 110)


def gemma_cases(folder):
    """Seven layers, the sixth global and scaled; and the 62 layers whose attention is scaled otherwise."""
    def load(model, scaling, scalar):
        pattern = ["full_attention" if layer % 6 == 5 else "sliding_attention" for layer in range(model.layers)]
        rope = {"sliding_attention": theirs(None, 1e4, model.dimension, model.context),
                "full_attention": theirs(scaling, 1e6, model.dimension, model.context)}
        return model.load("gemma3", rope, sliding_window=model.window, layer_types=pattern,
                          query_pre_attn_scalar=scalar, hidden_activation="gelu_pytorch_tanh")

    model = Model("gemma3", "gemma3", 6, hidden=64, heads=2, kv_heads=1, dimension=32, inner=64, layers=7, context=160,
                  window=16, head_norms=True, gemma=True, base=1e6,
                  settings=[("rope.scaling.type", "linear"), ("rope.scaling.factor", 8.0)])
    model.write(folder)
    scaled = load(model, {"type": "linear", "factor": 8}, 32)
    for count in (1, 15, 16, 17, 100):
        yield case(f"gemma 3, {count} tokens, window 16", "gemma3", scaled, 60 + count, count)
    scaling = {"type": "yarn", "factor": 2, "originalContextLength": 64}
    yield case("gemma 3, YaRN in its global layer instead", "gemma3", load(model, scaling, 32), 67, 110, scaling)

    model = Model("gemma3-62", "gemma3", 7, hidden=32, heads=1, kv_heads=1, dimension=16, inner=32, layers=62,
                  context=64, window=16, head_norms=True, gemma=True, base=1e6, format=FORMATS.Q4_0)
    model.write(folder)
    yield case("gemma 3 of 62 layers", "gemma3-62", load(model, None, 32), 68, 40)


@torch.no_grad()
def rotary():
    for dimension, base, context, scaling in [
        (64, 1e4, 64, scaling) for scaling in SCALINGS
    ] + [
        (128, 5e5, 8192, {"type": "llama3", "factor": 8}),
        (128, 1e6, 32768, {"type": "yarn", "factor": 4}),
        (256, 1e6, 4096, {"type": "linear", "factor": 8}),
        (64, 1e5, 8192, {"type": "dynamic-ntk", "factor": 2}),
    ]:
        original = scaling.get("originalContextLength", context)
        length = int(scaling["factor"] * original)
        config = transformers.LlamaConfig(
            head_dim=dimension, max_position_embeddings=original, rope_parameters=theirs(scaling, base, dimension, context))
        kind = config.rope_parameters["rope_type"]
        if kind == "default":
            theta = config.rope_parameters["rope_theta"]
            frequencies, magnitude = 1 / theta ** (torch.arange(0, dimension, 2).float() / dimension), 1.0
        else:
            frequencies, magnitude = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"), seq_len=length)
        positions = [0, 1, original - 1, original, original + 1, length - 1]
        angles = torch.tensor(positions).float()[:, None] * frequencies[None]
        yield {
            "ropeScaling": scaling, "dimension": dimension, "base": base, "contextLength": context, "openedFor": length,
            "frequencies": [float(f) for f in frequencies], "attentionFactor": magnitude, "positions": positions,
            "cosines": [rounded(row) for row in angles.cos() * magnitude],
            "sines": [rounded(row) for row in angles.sin() * magnitude],
        }


def main(folder):
    transformers.logging.set_verbosity_error()
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    cases = [case for cases in (llama_cases, llama3_cases, mistral_cases, qwen_cases, gemma_cases) for case in cases(folder)]
    made_with = {
        "script": "scripts/vectors/models.py", "python": platform.python_version(), "torch": torch.__version__,
        "transformers": transformers.__version__, "numpy": np.__version__, "gguf": importlib.metadata.version("gguf"),
        "arithmetic": "float32, eager attention, no cache",
    }
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases)
    rotations = ",\n".join(json.dumps(one) for one in rotary())
    path = pathlib.Path(folder) / "tiny.json"
    path.write_text(f'{{"madeWith": {json.dumps(made_with)},\n"cases": [\n{lines}\n],\n"rotary": [\n{rotations}\n]}}\n')


if __name__ == "__main__":
    main(sys.argv[1])
