#!/usr/bin/env python3
"""Writes Tests/Golden/llama-cache.json: how far llama.cpp's next-token distributions move with a quantised KV cache.

    python3 scripts/vectors/llama_cache.py FOLDER MODEL.gguf Tests/Golden/llama-cache.json

FOLDER holds llama.cpp's llama-quantize and llama-perplexity; scripts/peers FOLDER builds the source that both come from, and

    cmake --build FOLDER/source/build --target llama-perplexity && cp FOLDER/source/build/bin/llama-perplexity FOLDER

the second. MODEL.gguf (the catalogue's SmolLM2) becomes a file of float32 weights, so that nothing but the cache is rounded. The text, the
first bytes of a shipped one, is taken in windows of 512 tokens, flash attention on, and tokens 257 to 511 of each window are compared: the
mean of KL(cache in float32 || quantised cache). llama.cpp rotates quantised caches by itself; that is switched off for the plain formats.
Its CPU code rounds queries to 8 bits for products with quantised keys, which this repository does not.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CORPUS, BYTES = "persuasion", 22_000
RUNS = {
    "q8_0": ("q8_0", "q8_0", False),
    "q4_0": ("q4_0", "q4_0", False),
    "q8_0/q4_0": ("q8_0", "q4_0", False),
    "q4_0_rotated": ("q4_0", "q4_0", True),
}

folder, model, target = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
root = pathlib.Path(__file__).resolve().parents[2]
text = (root / "Sources/ProgramFiles/corpora" / f"{CORPUS}.txt").read_bytes()[:BYTES]

with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch)
    (scratch / "text.txt").write_bytes(text)
    subprocess.run(
        [folder / "llama-quantize", "--allow-requantize", model, scratch / "model.gguf", "F32"],
        check=True, capture_output=True,
    )  # fmt: skip

    def run(keys, values, rotated, *more):
        result = subprocess.run(
            [folder / "llama-perplexity", "-m", scratch / "model.gguf", "-f", scratch / "text.txt", "-c", "512",
             "-b", "512", "-fa", "on", "-ctk", keys, "-ctv", values, "-ngl", "0",
             "--kl-divergence-base", scratch / "base.kld", *more],
            env=os.environ | {"LLAMA_ATTN_ROT_DISABLE": "0" if rotated else "1"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return result.stdout + result.stderr

    log = run("f32", "f32", False)
    windows = int(re.search(r"over (\d+) chunks", log)[1])
    build = re.search(r"^.*build[:=] *(.*)$", log, re.MULTILINE)
    divergence = {}
    for name, (keys, values, rotated) in RUNS.items():
        log = run(keys, values, rotated, "--kl-divergence")
        divergence[name] = float(re.search(r"Mean\s+KLD:\s+([0-9.e-]+)", log)[1])

versions = {"llama.cpp": build[1].strip() if build else "unknown"}
package = folder / "source/PKG-INFO"
if package.exists():
    versions["llama-cpp-python"] = re.search(r"^Version: (.*)$", package.read_text(), re.MULTILINE)[1]
target.write_text(
    json.dumps(
        {
            "script": "scripts/vectors/llama_cache.py", "versions": versions, "model": model.name, "corpus": CORPUS,
            "bytes": BYTES, "contextLength": 512, "scoredTokens": 255, "windows": windows,
            "meanDivergence": divergence,
        },
        indent=2,
    )
    + "\n"
)  # fmt: skip
