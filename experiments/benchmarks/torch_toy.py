"""The reference toy in PyTorch, as its user would write it. Nothing else is imported.

The same architecture, loss, optimiser and schedule as `simlab`'s: RMSNorm before every
half of a block, rotary positions, GELU by tanh, no biases; Adam with warm-up and half a
cosine. Weights are kept as PyTorch keeps them, [columns, rows].
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

Parameters = dict[str, Any]
EPSILON = 1e-6  # of RMSNorm
BETAS = (0.9, 0.99)
WARMUP = 0.1  # share of the steps


def shapes(sizes: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every parameter's shape; sizes are those of `toy.Toy`."""
    width, hidden = sizes["width"], 4 * sizes["width"]
    block = {
        "norm_attention": (width,),
        "query_key_value": (3 * width, width),
        "attention_out": (width, width),
        "norm_hidden": (width,),
        "up": (hidden, width),
        "down": (width, hidden),
    }
    return {
        "embed": (sizes["vocabulary"] + sizes["contexts"], width),
        **{f"{k}.{n}": s for k in range(sizes["depth"]) for n, s in block.items()},
        "norm": (width,),
        "head": (sizes["vocabulary"], width),
    }


def rotation(sizes: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of every position and pair, [length, half a head]."""
    half = sizes["width"] // sizes["heads"] // 2
    rate = 10_000.0 ** (-torch.arange(half) / half)
    angle = torch.arange(sizes["length"])[:, None] * rate
    return torch.cos(angle), torch.sin(angle)


def rotated(x: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Pair (i, i + half) of every head at every position, turned."""
    (first, second), (cos, sin) = x.chunk(2, dim=-1), turn
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


def logits(
    p: Parameters, turn: Any, tokens: torch.Tensor, depth: int, heads: int
) -> torch.Tensor:
    """Logits of the next token after every prefix, [batch, length, vocabulary]."""
    x = functional.embedding(tokens, p["embed"])
    batch, length, width = x.shape
    for k in range(depth):
        normed = functional.rms_norm(x, (width,), p[f"{k}.norm_attention"], EPSILON)
        packed = functional.linear(normed, p[f"{k}.query_key_value"])
        packed = packed.view(batch, length, 3, heads, width // heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(
            rotated(query, turn), rotated(key, turn), value, is_causal=True
        )
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        x = x + functional.linear(mixed, p[f"{k}.attention_out"])
        normed = functional.rms_norm(x, (width,), p[f"{k}.norm_hidden"], EPSILON)
        up = functional.gelu(
            functional.linear(normed, p[f"{k}.up"]), approximate="tanh"
        )
        x = x + functional.linear(up, p[f"{k}.down"])
    x = functional.rms_norm(x, (width,), p["norm"], EPSILON)
    return functional.linear(x, p["head"])


def rate_shape(sizes: Mapping[str, Any], step: int) -> float:
    """The factor on the learning rate: linear warm-up, then half a cosine to zero."""
    steps: int = sizes["steps"]
    warmup = max(round(WARMUP * steps), 1)
    remaining = (step - warmup) / max(steps - warmup, 1)
    fall = 0.5 * (1 + math.cos(math.pi * min(max(remaining, 0.0), 1.0)))
    return min((step + 1) / warmup, fall)


class Trainer:
    """Trains the toy; `way` is "eager" or "compile". One step is compiled, once."""

    def __init__(self, sizes: Mapping[str, Any], way: str) -> None:
        self._sizes, self._rate, self._step = sizes, 1e-3, 0
        depth, heads, turn = sizes["depth"], sizes["heads"], rotation(sizes)

        def loss(p: Parameters, tokens: torch.Tensor) -> torch.Tensor:
            found = logits(p, turn, tokens[:, :-1], depth, heads).flatten(0, 1)
            after = tokens[:, 1:].flatten()
            total = functional.cross_entropy(found, after, reduction="sum")
            return total / len(tokens)

        self._loss: Callable[..., Any] = (
            torch.compile(loss) if way == "compile" else loss
        )
        self._rows = self._data()
        self.parameters = {
            name: torch.ones(shape, requires_grad=True)
            for name, shape in shapes(sizes).items()
        }
        self.begin(1e-3, 0)

    def _data(self) -> torch.Tensor:
        """Sequences to draw batches from; what they say does not change the speed."""
        sizes, shape = self._sizes, (self._sizes["rows"], self._sizes["length"])
        context = torch.full((sizes["rows"], 1), sizes["vocabulary"])
        outputs = torch.randint(sizes["vocabulary"], shape)
        return torch.cat([context, outputs], dim=1)

    def begin(self, rate: float, seed: int) -> None:
        """A new run: fresh parameters, and the rate that the schedule multiplies."""
        torch.manual_seed(seed)
        with torch.no_grad():
            for value in self.parameters.values():
                if value.ndim == 1:
                    value.fill_(1.0)
                else:
                    value.normal_(std=value.shape[-1] ** -0.5)
        self._rate, self._step = rate, 0
        self._adam = torch.optim.Adam(
            list(self.parameters.values()), lr=rate, betas=BETAS, eps=1e-8, fused=True
        )

    def step(self) -> torch.Tensor:
        """The loss of one more step, nats per sequence, on a freshly drawn batch."""
        drawn = torch.randint(len(self._rows), (self._sizes["batch"],))
        loss = self.backward(self._rows[drawn])
        for group in self._adam.param_groups:
            group["lr"] = self._rate * rate_shape(self._sizes, self._step)
        self._adam.step()
        self._step += 1
        return loss

    def backward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; gradients are left in the parameters."""
        self._adam.zero_grad(set_to_none=True)
        loss = self._loss(self.parameters, tokens)
        loss.backward()
        return loss.detach()

    def examined(self, exam: Mapping[str, Any]) -> dict[str, Any]:
        """Loss and gradients at given parameters and tokens, as lists."""
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(torch.tensor(exam["parameters"][name]))
        loss = self.backward(torch.tensor(exam["tokens"]))
        found = {k: value.grad.tolist() for k, value in self.parameters.items()}
        return {"loss": loss.item(), "gradients": found}


def facts() -> dict[str, Any]:
    """What a reader must know of this PyTorch."""
    return {"torch": torch.__version__, "torch_threads": torch.get_num_threads()}


def use_threads(count: int) -> None:
    """Computes with so many threads from now on."""
    torch.set_num_threads(count)


def read(path: str) -> Any:
    """A JSON document."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
