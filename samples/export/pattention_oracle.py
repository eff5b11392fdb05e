"""Record what token-parameter attention computes, as the reference for the function that tfc emits.

    python pattention_oracle.py ../models/adapters

Writes `pattention.safetensors`. A case is named `{norm}-{what}`, its tensors
`{case}.{x,key_param_tokens,value_param_tokens,tau,y}`. The formula is that of the TokenFormer paper's public code
(`Pattention` in megatron/model/tokenformer.py), but for two things: the factor tau is a number of its own, where that
code computes it from the number of tokens; and a row whose norm is zero gives 0, where that code divides 0 by 0.
"""

import argparse
import math
from pathlib import Path

import torch
from safetensors.torch import save_file

L2_NORMS = ("l2_norm_gelu", "gelu_l2_norm")
NORMS = (*L2_NORMS, "softmax")

# what: (shape of x, width of y, parameter tokens)
CASES = {
    "batch": ((2, 5, 64), 64, 16),
    "flat": ((7, 64), 64, 16),
    "wide": ((2, 3, 64), 96, 16),
    "one_token": ((2, 3, 64), 64, 1),
    "one_row": ((1, 1, 64), 64, 16),
    "zero_row": ((1, 4, 64), 64, 16),
}
GROWN_TOKENS = 32


def usual_tau(norm: str, tokens: int) -> float:
    """The factor of the public code: the number of tokens with softmax, otherwise its square root."""
    return float(tokens) if norm == "softmax" else math.sqrt(tokens)


def normalized(scores: torch.Tensor) -> torch.Tensor:
    """Every row divided by its L2 norm; a row of zeros stays one."""
    norm = torch.norm(scores, p=2, dim=-1, keepdim=True)
    return scores / torch.where(norm == 0, 1, norm)  # so that gradients are zeros, too


def token_weights(scores: torch.Tensor, norm: str, tau: float) -> torch.Tensor:
    """The weight of every parameter token, from the scores `[..., n]`; GELU in its exact form."""
    if norm == "softmax":
        exponentials = torch.exp(scores)
        return exponentials / torch.norm(exponentials, p=1, dim=-1, keepdim=True) * tau
    if norm == "gelu_l2_norm":
        return normalized(torch.nn.functional.gelu(scores)) * tau
    if norm == "l2_norm_gelu":
        return torch.nn.functional.gelu(normalized(scores) * tau)
    raise ValueError(norm)


def pattention(
    x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, norm: str, tau: float
) -> torch.Tensor:
    """Attention from the rows of x to parameter tokens: keys are `[n, d_in]`, values `[n, d_out]`."""
    return token_weights(x @ keys.transpose(-2, -1), norm, tau) @ values


def random_tokens(
    generator: torch.Generator, tokens: int, d_in: int, d_out: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys that score near 1 on inputs near 1, and values that keep outputs near 1."""
    keys = torch.randn((tokens, d_in), generator=generator) / math.sqrt(d_in)
    values = torch.randn((tokens, d_out), generator=generator) / math.sqrt(tokens)
    return keys, values


def case(x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, norm: str, tau: float):
    """The tensors of a case, with what comes out."""
    y = pattention(x, keys, values, norm, tau)
    assert torch.isfinite(y).all()
    leaves = {"key_param_tokens": keys, "value_param_tokens": values}
    return {"x": x, **leaves, "tau": torch.tensor(tau), "y": y}


def grown(generator: torch.Generator, before: dict[str, torch.Tensor], norm: str):
    """The case with more tokens, as growth adds them: keys of zeros, any values, the factor as it was."""
    keys, values, tau = before["key_param_tokens"], before["value_param_tokens"], before["tau"]
    more = GROWN_TOKENS - len(keys)
    new_values = torch.randn((more, values.shape[1]), generator=generator)
    keys = torch.cat([keys, torch.zeros((more, keys.shape[1]))])
    after = case(before["x"].clone(), keys, torch.cat([values, new_values]), norm, tau.item())
    torch.testing.assert_close(after["y"], before["y"], rtol=1e-6, atol=1e-6)
    return after


def main() -> None:
    """Record every case in the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(13)
    cases = {}
    for norm in NORMS:
        for what, (shape, d_out, tokens) in CASES.items():
            x = torch.randn(shape, generator=generator)
            if what == "zero_row":
                x[0, 1] = 0
            keys, values = random_tokens(generator, tokens, shape[-1], d_out)
            cases[f"{norm}-{what}"] = case(x, keys, values, norm, usual_tau(norm, tokens))
        if norm in L2_NORMS:
            assert (cases[f"{norm}-zero_row"]["y"][0, 1] == 0).all()
            cases[f"{norm}-grown"] = grown(generator, cases[f"{norm}-batch"], norm)
    for name, parts in cases.items():
        print(f"{name}: y {list(parts['y'].shape)}, at most {parts['y'].abs().max():.2f}")
    tensors = {f"{name}.{part}": t.contiguous() for name, parts in cases.items() for part, t in parts.items()}
    save_file(tensors, folder / "pattention.safetensors")


if __name__ == "__main__":
    main()
