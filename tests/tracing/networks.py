"""Small models, each with something that a tracer can get wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StaleReader(nn.Module):
    """An in-place layer whose input is read afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU(inplace=True)
        self.fc = nn.Linear(6, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        y = self.act(x)
        y = self.fc(y)
        return self.out(x + y)


class Block(nn.Module):
    """A residual block with an in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.fc(x)) + x


class Twice(nn.Module):
    """One block called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.block(self.block(x)))


class Deep(nn.Module):
    """A sequence of blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[Block() for _ in range(4)])
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.blocks(x))


class Auxiliary(nn.Module):
    """A branch with random draws that runs in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Block()
        self.aux = Block()
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.training:
            y = y + self.aux(y) * torch.rand(y.shape[0], 1)
        return self.out(y)


class Norm(nn.Module):
    """A batch norm by hand: buffers written in training only, nobody reads the writes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        if self.training:
            mean = x.mean(0)
            self.mean.mul_(0.9).add_(mean.detach() * 0.1)
            self.count += 1
        else:
            mean = self.mean
        return (x - mean) * self.gain, None


class Odd(nn.Module):
    """Ties, an unused layer, a layer called twice, a write through a view, no_grad, nested outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(20, 8)
        self.n1 = Norm(8)
        self.n2 = Norm(8)
        self.fc = nn.Linear(8, 8)
        self.out = nn.Linear(8, 20, bias=False)
        self.out.weight = self.emb.weight
        self.unused = nn.Linear(3, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, ids: Tensor, scale: Tensor | None = None) -> dict[str, Any]:
        x = self.emb(ids).mean(1)
        x, _ = self.n1(x)
        y = self.fc(x)
        y = self.act(y)
        y = self.fc(y)
        h = y[:, :4]
        h.add_(1.0)
        z = torch.zeros(x.shape[0], 8)
        z[:, 2:4] = h[:, :2]
        y = F.dropout(y + z, 0.2, self.training)
        y, _ = self.n2(y)
        with torch.no_grad():
            k = y.abs().amax(dim=-1, keepdim=True)
        return {"logits": self.out(y / (k + 1)), "extra": None, "both": (y, h)}


def double(before: int, after: int) -> nn.Sequential:
    """Two convolutions with norm and in-place activation."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Lists of results, a decision on sizes, and a dict with a list as output."""

    def __init__(self, widths: tuple[int, ...] = (4, 8, 16)) -> None:
        super().__init__()
        self.downs = nn.ModuleList([double(i, o) for i, o in zip((3, *widths), widths, strict=False)])
        self.pool = nn.MaxPool2d(2)
        turned = list(zip(widths[:-1][::-1], widths[1:][::-1], strict=True))
        self.ups = nn.ModuleList([nn.ConvTranspose2d(o, i, 2, stride=2) for i, o in turned])
        self.fuse = nn.ModuleList([double(2 * i, i) for i, _ in turned])
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: Tensor) -> dict[str, Any]:
        skips = []
        for place, down in enumerate(self.downs):
            x = down(x)
            if place < len(self.downs) - 1:
                skips.append(x)
                x = self.pool(x)
        for up, fuse, skip in zip(self.ups, self.fuse, reversed(skips), strict=True):
            x = up(x)
            if x.shape[-2:] != skip.shape[-2:]:
                x = F.interpolate(x, size=skip.shape[-2:])
            x = fuse(torch.cat([skip, x], dim=1))
        return {"mask": self.head(x), "deep": skips}


class FusedAttention(nn.Module):
    """Attention by hand: fused projections reshaped, permuted and unbound; `math.sqrt` of a size."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.qkv = nn.Linear(8, 24)
        self.proj = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        if self.how == "unbind":
            q, k, v = self.qkv(x).reshape(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4).unbind(0)
        elif self.how == "unpack":
            q, k, v = self.qkv(x).reshape(b, n, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        else:
            q, k, v = (t.view(b, n, 2, c // 2).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.size(-1))
        scores = F.dropout(F.softmax(scores, dim=-1), 0.1, self.training)
        return self.proj((scores @ v).transpose(1, 2).reshape(b, n, c))


class Translator(nn.Module):
    """torch's own encoder and decoder layers, with a causal mask and a position table that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(11, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), 2)
        self.table = torch.arange(80.0).reshape(10, 8) / 80
        self.register_buffer("mask", torch.triu(torch.ones(10, 10), 1).bool(), persistent=False)
        self.head = nn.Linear(8, 11)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory = self.encoder(self.emb(source) + self.table[: source.shape[1]])
        length = target.size(1)
        x = self.emb(target) + self.table[:length]
        return self.head(self.decoder(x, memory, tgt_mask=self.mask[:length, :length]))


class DropPath(nn.Module):
    """Stochastic depth: returns its input in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(0.8)
        return x * keep / 0.8


class Stochastic(nn.Module):
    """Drop path around layers, in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.drops = nn.ModuleList([DropPath() for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for layer, drop in zip(self.layers, self.drops, strict=True):
            x = x + drop(layer(x))
        return x


class Shared(nn.Module):
    """One module registered in two places, and called from both."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(Block(), nn.Tanh())
        self.second = nn.Sequential(self.first[0], nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Foreign(nn.Module):
    """Modules that are made on the way or held in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.hidden = [nn.LayerNorm(6, elementwise_affine=False)]

    def forward(self, x: Tensor) -> Tensor:
        return nn.ReLU()(self.hidden[0](self.fc(x)))


class Lists(nn.Module):
    """A list and a dict of tensors as inputs."""

    def forward(self, images: list[Tensor], extra: dict[str, Tensor]) -> list[Tensor]:
        return [image * extra["scale"] for image in images] + [sum(images)]  # type: ignore[list-item]


class Frozen(nn.Module):
    """Parameters without gradients, in a layer and bare; a None slot."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.fc.weight.requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(6), requires_grad=False)
        self.register_parameter("shift", None)
        self.register_buffer("nothing", None)
        self.skip = None

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) * self.scale


class WriteAfter(nn.Module):
    """Writes to what is returned, through a view, after it was made; a returned input."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * 2
        y[:, 0].zero_()
        return y, x


class Rebound(nn.Module):
    """A buffer that is replaced, not written to."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.mean
        self.mean = self.mean * 0.5 + y.mean(0)
        return y * self.mean


class Branch(nn.Module):
    """Decisions on sizes and on data, and sizes that become numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] % 2 == 0:
            x = F.pad(x, (0, 1))
        if x.sum() > -1e9:
            x = x + 1
        for step in range(x.shape[1] // 2):
            x = x * (step + 1) / (x.shape[0] + 1)
        return x * math.ceil(x.shape[1] / 2) * round(x.shape[1] / 3) * (x.shape[0] ** -0.5)


@dataclass
class Result:
    """What `Dataclass` returns."""

    logits: Tensor
    hidden: Tensor | None = None


class Dataclass(nn.Module):
    """Returns a data class."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 2)

    def forward(self, x: Tensor, *, scale: float = 2.0) -> Result:
        return Result(self.fc(x) * scale)


class Recurrent(nn.Module):
    """A layer whose result is a nested tuple, and functions that return tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 4, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out, (hidden, _) = self.lstm(x[:, None].expand(-1, 3, -1))
        best = out.max(dim=1)
        values, _ = best.values.topk(2, dim=-1)
        return values, best.indices, hidden


class TwoResults(nn.Module):
    """Gives a second result in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        x = self.fc(x)
        return x, x * 2 if self.training else None


class OneMode(nn.Module):
    """Reads a result that there is in training only, and passes through blocks that return early in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = TwoResults()
        self.head = Block()
        self.dropped = nn.Sequential(Dropped(), Dropped())

    def forward(self, x: Tensor) -> Any:
        x, auxiliary = self.body(x)
        if auxiliary is not None:
            return self.dropped(x), self.head(auxiliary)
        return self.dropped(x)


class Dropped(nn.Module):
    """A shortcut around a layer that is dropped at random in training."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x + self.fc(x)
        kept = x.new_empty(x.shape[0], 1).bernoulli_(0.5)
        return x + self.fc(x) * kept


class Given(nn.Module):
    """Writes results into tensors that it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.ones(6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        doubled = torch.empty_like(x)
        first = doubled[0]
        torch.mul(x, 2, out=doubled)
        values, places = x.new_empty(x.shape[0]), torch.empty(x.shape[0], dtype=torch.long)
        torch.max(x, 1, out=(values, places))
        torch.add(self.mean, 1, out=self.mean)
        return first + doubled, values * places + self.mean.sum()


class Overwritten(nn.Module):
    """Writes with functions that only write over what is read elsewhere."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = x.detach() * 2
        first = x + 1
        second = x.copy_(first)
        third = second.sin()
        return first, third, second.zero_() + 1, torch.ones(2).fill_(3.0)


class Averaged(nn.Module):
    """Updates a buffer in training, and reads what the update gives there and the buffer in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))
        self.register_buffer("scale", torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mean.lerp_(x.mean(0), 0.1) if self.training else self.mean
        if self.training:
            return (x - mean) * self.scale.lerp_(x.std(0), 0.1)
        return (x - mean) * self.scale
