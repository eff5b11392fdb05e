"""Record the gradients of single ops by torch.autograd, for the tests of compiler/autodiff.

    python gradient_oracle.py ../../test/autodiff/oracle            # every family
    python gradient_oracle.py ../../test/autodiff/oracle shapes     # some of them
    python gradient_oracle.py --check ../../test/autodiff/oracle    # and compare each case's results with onnxruntime's

A file of cases for each family of ops; `gradients/case.py` says what a case is.
"""

import argparse
from pathlib import Path

import torch
from gradients import (
    attention,
    convolutions,
    elementwise,
    indexing,
    norms,
    products,
    quantized,
    reductions,
    rotary,
    shapes,
)
from gradients.case import text
from gradients.check import check

FAMILIES = {
    "elementwise": elementwise,
    "reductions": reductions,
    "products": products,
    "norms": norms,
    "rotary": rotary,
    "indexing": indexing,
    "shapes": shapes,
    "convolutions": convolutions,
    "attention": attention,
    "quantized": quantized,
}


def main() -> None:
    """Record what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("family", nargs="*", help="default: all")
    parser.add_argument("--check", action="store_true", help="compare results with onnxruntime's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, family in FAMILIES.items():
        if options.family and name not in options.family:
            continue
        cases = list(family.cases())
        file = options.out / f"{name}.json"
        file.write_text(text(family.ABOUT, cases))
        print(f"{name}: {len(cases)} cases, {file.stat().st_size} bytes")
        if options.check:
            check(file)


if __name__ == "__main__":
    main()
