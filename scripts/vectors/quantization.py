#!/usr/bin/env python3
"""Writes Tests/Golden/quantization.gguf: blocks of every format and the floats that they stand for.

Both come from ggml's Python package, which is independent of this repository:

    python3 -m pip install gguf==0.19.0 numpy
    python3 scripts/vectors/quantization.py Tests/Golden/quantization.gguf

For each format NAME there are two tensors of 3 rows with 512 numbers: NAME.blocks in that format and NAME.floats as
F32. Where the package can quantise, rows 0 and 1 are quantised normal numbers; all other rows are random bytes, so that
every bit of a block counts, with random but finite scales. Metadata holds one key of every type. The package writes
GGUF version 3; the versions used are in the metadata.
"""

import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value

ROWS, COLUMNS = 3, 512
HALVES = {  # byte offsets of the half floats in a block
    Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
    Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.IQ4_NL: [0], Type.IQ4_XS: [0],
}  # fmt: skip
random = np.random.default_rng(20260101)


def finite_halves(count):
    """Half floats of any finite bits, subnormal ones and both zeros among them."""
    bits = random.integers(0, 1 << 16, count, dtype=np.uint16)
    return np.where(bits & 0x7C00 == 0x7C00, bits ^ 0x4000, bits).astype(np.uint16)


def random_blocks(kind, rows):
    """Rows of blocks with random bytes, as the package holds them: (rows x bytes)."""
    block_size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows, COLUMNS // block_size, block_bytes), dtype=np.uint8)
    for offset in HALVES[kind]:
        halves = finite_halves(blocks.shape[0] * blocks.shape[1]).reshape(blocks.shape[:2])
        blocks[:, :, offset] = halves & 0xFF
        blocks[:, :, offset + 1] = halves >> 8
    return blocks.reshape(rows, -1)


def rows_of(kind):
    """(rows x bytes) in a format."""
    normal = random.standard_normal((2, COLUMNS)).astype(np.float32)
    if kind == Type.F32:
        extra = np.float32([0.0, -0.0, 1e-45, 3.4e38, -np.inf, 1 / 3] + [1.5] * (COLUMNS - 6))
        return np.vstack([normal, extra]).view(np.uint8)
    if kind == Type.F16:
        extra = finite_halves(COLUMNS)
        extra[:2] = 0x7C00, 0xFC00  # both infinities
        return np.vstack([normal.astype(np.float16).view(np.uint16), extra]).view(np.uint8)
    if kind == Type.BF16:
        extra = np.float32(random.standard_normal(COLUMNS) * 1e30)
        return gguf.quants.quantize(np.vstack([normal, extra]), kind).view(np.uint8)
    try:
        return np.vstack([gguf.quants.quantize(normal, kind), random_blocks(kind, 1)])
    except NotImplementedError:  # the k formats
        return random_blocks(kind, ROWS)


def floats_of(rows, kind):
    if kind == Type.F16:
        return rows.view(np.float16).astype(np.float32)
    return gguf.quants.dequantize(rows, kind).astype(np.float32)


def add_metadata(writer):
    scalars = {
        "uint8": 250, "int8": -120, "uint16": 65000, "int16": -32000, "uint32": 4000000000, "int32": -2000000000,
        "uint64": 1 << 63, "int64": -(1 << 62), "float32": 0.1, "float64": 0.1, "bool": True, "string": "naïve ✓ 日本",
    }  # fmt: skip
    for name, value in scalars.items():
        writer.add_key_value(f"scalar.{name}", value, Value[name.upper()])
    for name, value in scalars.items():
        if name != "uint8":  # the package writes bytes only from a bytes object
            writer.add_key_value(f"array.{name}", [value, value], Value.ARRAY, Value[name.upper()])
    writer.add_key_value("array.nested", [[1, 2, 3], [4]], Value.ARRAY)
    writer.add_key_value("array.bytes", bytes([0, 127, 255]), Value.ARRAY, Value.UINT8)
    writer.add_string("vectors.gguf_package", gguf_version())
    writer.add_string("vectors.numpy_package", np.__version__)


def gguf_version():
    from importlib.metadata import version

    return version("gguf")


def main(path):
    writer = gguf.GGUFWriter(path, "vectors")
    add_metadata(writer)
    for kind in [Type.F32, Type.F16, Type.BF16, *HALVES]:
        rows = rows_of(kind)
        name = kind.name if kind.name.endswith("_K") else kind.name.lower()
        name = name[0].lower() + name[1:]
        writer.add_tensor(f"{name}.blocks", rows, raw_dtype=kind)
        writer.add_tensor(f"{name}.floats", floats_of(rows, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(sys.argv[1])
