# The network GPT, written by graphnas 0.1.0 from graph 1089046726c181cf.
import torch
import torch.nn.functional as F
from torch import nn


def _guard(holds, where):
    if not holds:
        raise ValueError(f"the network was traced under another condition: {where}")


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.proj = nn.Linear(32, 32)
        self.drop = nn.Dropout(p=0.1)

    def forward(self, x):
        batch, length, width = x.size()
        q, k, v = self.qkv(x).split(width, dim=2)
        q = q.view(batch, length, 4, width // 4).transpose(1, 2)
        k = k.view(batch, length, 4, width // 4).transpose(1, 2)
        v = v.view(batch, length, 4, width // 4).transpose(1, 2)
        y = F.scaled_dot_product_attention(
            q, k, v, dropout_p=0.1 if self.training else 0.0, is_causal=True
        )
        y = y.transpose(1, 2).contiguous().view(batch, length, width)
        return self.drop(self.proj(y))


class FeedForward(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.fc = nn.Linear(32, 128)
        self.act = act
        self.proj = nn.Linear(128, 32)
        self.drop = nn.Dropout(p=0.1)

    def forward(self, x):
        return self.drop(self.proj(self.act(self.fc(x))))


class Block(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.ln_1 = nn.LayerNorm(32)
        self.attn = CausalSelfAttention()
        self.ln_2 = nn.LayerNorm(32)
        self.mlp = FeedForward(act)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(65, 32)
        self.wpe = nn.Embedding(32, 32)
        self.drop = nn.Dropout(p=0.1)
        self.h = nn.ModuleList(
            [
                *(Block(nn.SiLU(inplace=True)) for _ in range(3)),
                Block(nn.GELU(approximate="tanh")), Block(nn.SiLU(inplace=True)),
                Block(nn.SiLU(inplace=True))
            ]
        )
        self.ln_f = nn.LayerNorm(32)
        self.lm_head = nn.Linear(32, 65, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        _guard(not tokens.shape[1] > 32, "tests/models/gpt.py:113")
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.wte(tokens)
        x = self.drop(x + self.wpe(positions))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def build() -> nn.Module:
    return GPT()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(tokens=torch.ones((2, 7), dtype=torch.int64))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
