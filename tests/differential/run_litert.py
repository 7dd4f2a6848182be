"""Runs every case of a folder in the official LiteRT interpreter's reference kernels and compares bytes.

run_litert.py FOLDER: for NAME.tflite, NAME.in (inputs of the samples back to back) and NAME.out (what is expected).
Prints one line for each case that differs or that the interpreter refuses, then "cases N differing M refused R".
"""
import pathlib
import sys

import numpy
from ai_edge_litert.interpreter import Interpreter, OpResolverType

folder = pathlib.Path(sys.argv[1])
cases = differing = refused = 0
for model in sorted(folder.glob("*.tflite")):
    cases += 1
    interpreter = Interpreter(
        model_path=str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        refused += 1
        print(f"{model.name}: {str(error).splitlines()[0]}")
        continue
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    given = model.with_suffix(".in").read_bytes()
    expected = model.with_suffix(".out").read_bytes()
    found = b""
    at = 0
    while at < len(given):
        for port in inputs:
            array = numpy.zeros(port["shape"], port["dtype"])
            array = numpy.frombuffer(given, port["dtype"], array.size, at).reshape(port["shape"])
            at += array.nbytes
            interpreter.set_tensor(port["index"], array)
        interpreter.invoke()
        for port in outputs:
            found += numpy.ascontiguousarray(interpreter.get_tensor(port["index"])).tobytes()
    if found != expected:
        differing += 1
        bytes_apart = sum(a != b for a, b in zip(found, expected)) + abs(len(found) - len(expected))
        print(f"{model.name}: {bytes_apart} of {len(expected)} bytes differ")
print(f"cases {cases} differing {differing} refused {refused}")
