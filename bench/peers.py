"""What tools of a comparable job take for the same graph: python peers.py TOOL INPUT OUTPUT.

onnx-ir         loads the graph and saves it again, weights left where they are
optimize_for_ort  onnxscript's rewrites for onnxruntime, with onnx-ir's load and save around them
ort-optimizer   onnxruntime's transformer optimizer, for GPT-2-like decoders as its documentation says for Llama
"""

import sys

tool, source, target = sys.argv[1:4]

if tool == "onnx-ir":
    import onnx_ir as ir

    ir.save(ir.load(source), target)
elif tool == "optimize_for_ort":
    import onnx_ir as ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    model = ir.load(source)
    optimize_for_ort(model)
    ir.save(model, target)
elif tool == "ort-optimizer":
    import onnx
    from onnxruntime.transformers.onnx_model_gpt2 import Gpt2OnnxModel

    # The graph alone: with the weights of the largest model it would want 141 GB.
    model = Gpt2OnnxModel(onnx.load(source, load_external_data=False), 0, 0)
    model.optimize()
    onnx.save(model.model, target)
else:
    sys.exit(f"no tool {tool}")
