"""Compiles one Triton kernel to the machine code of an NVIDIA GPU, which need not be there; run by the fixture
`compile_triton` of conftest.py. Argument and answer are JSON."""

import importlib
import json
import os
import re
import subprocess
import sys
import tempfile

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TARGET = GPUTarget("cuda", 90, 32)  # H100 and H200


def compiled(kernel, signature, constants, divisible, options):
    module, name = kernel.split(":")
    function = getattr(importlib.import_module(module), name)
    types = {argument: signature.get(argument, "constexpr") for argument in function.arg_names}
    for p in function.params:  # a launch passes what the annotation says, whatever its argument
        if p.annotation_type and p.annotation_type != types[p.name]:
            raise TypeError(f"{p.name} is annotated as {p.annotation_type}, not {types[p.name]}")
    multiples = {(function.arg_names.index(a),): [["tt.divisibility", 16]] for a in divisible}
    made = triton.compile(ASTSource(function, types, constants, multiples), target=TARGET, options=options).asm
    tool = os.path.join(triton.__path__[0], "backends", "nvidia", "bin", "cuobjdump")
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made["cubin"])
        file.flush()
        usage, sass = (
            subprocess.run([tool, flag, file.name], capture_output=True, text=True, check=True).stdout
            for flag in ("-res-usage", "-sass")
        )
    registers, spilled = (int(re.search(rf"{what}:(\d+)", usage)[1]) for what in ("REG", "STACK"))
    lines = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", sass, re.MULTILINE)
    return {"registers": registers, "spilled": spilled, "ptx": made["ptx"], "sass": lines}


if __name__ == "__main__":
    print(json.dumps(compiled(*json.loads(sys.argv[1]))))
