#!/bin/sh
# Make all of samples/models/austen-llama anew: text, tokenizer, weights, graphs, oracle.
# Needs Debian (apt-get) and Python 3.11 or newer. Takes about forty minutes on two cores.
# VENVS: where the two virtual environments go. MINUTES: how long to train.
set -eu
cd "$(dirname "$0")"
venvs=${VENVS:-${TMPDIR:-/tmp}/tfc-export}
model=../models/austen-llama

for name in torch optimum; do
  python3 -m venv "$venvs/$name"
  "$venvs/$name/bin/pip" install --quiet --requirement "requirements-$name.txt"
done

"$venvs/torch/bin/python" train.py --out "$model" --minutes "${MINUTES:-28}"
"$venvs/torch/bin/python" sample.py "$model"
"$venvs/torch/bin/python" oracle.py "$model"
"$venvs/torch/bin/python" export_dynamo.py "$model" "$model/dynamo"
"$venvs/torch/bin/python" export_vllm.py "$model" "$model/vllm"
"$venvs/optimum/bin/python" export_torchscript.py "$model" "$model/torchscript"
"$venvs/torch/bin/python" check.py "$model" dynamo torchscript
