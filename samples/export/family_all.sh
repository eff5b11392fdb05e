#!/bin/sh
# Make all of samples/models/families anew, each exporter in a virtual environment of its own.
# Needs Python 3.11 or newer. Takes a few minutes, apart from the installation.
# VENVS: where the four virtual environments go.
set -eu
cd "$(dirname "$0")"
venvs=${VENVS:-${TMPDIR:-/tmp}/tfc-export}

for name in torch optimum genai mobius; do
  python3 -m venv "$venvs/$name"
  "$venvs/$name/bin/pip" install --quiet --requirement "requirements-$name.txt"
done

"$venvs/torch/bin/python" families.py dynamo
"$venvs/torch/bin/python" families.py quantized
"$venvs/optimum/bin/python" families.py torchscript
"$venvs/genai/bin/python" families.py genai
"$venvs/mobius/bin/python" families.py mobius
"$venvs/torch/bin/python" families.py transformers
"$venvs/torch/bin/python" family_check.py
"$venvs/torch/bin/python" family_reference.py
