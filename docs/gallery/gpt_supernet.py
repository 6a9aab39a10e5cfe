# The supernet GPT, written by graphnas 0.1.0 from graph cac88fc22ce302ef.
import torch
import torch.nn.functional as F
from torch import nn

from graphnas.oneshot import runtime


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
        out = self.qkv(x)
        q, k, v, *_ = out.split(x.shape[2], dim=2)
        _guard(-(-out.shape[2] // x.shape[2]) == 3, "tests/models/gpt.py:30")
        q = q.view(x.shape[0], x.shape[1], 4, x.shape[2] // 4)
        q = q.transpose(1, 2)
        k = k.view(x.shape[0], x.shape[1], 4, x.shape[2] // 4)
        k = k.transpose(1, 2)
        v = v.view(x.shape[0], x.shape[1], 4, x.shape[2] // 4)
        v = v.transpose(1, 2)
        y = F.scaled_dot_product_attention(
            q, k, v, dropout_p=0.1 if self.training else 0.0, is_causal=True
        )
        y = y.transpose(1, 2).contiguous()
        y = y.view(x.shape[0], x.shape[1], x.shape[2])
        return self.drop(self.proj(y))


class FeedForward(nn.Module):
    def __init__(self, act_choice_label):
        super().__init__()
        self.act_choice_label = act_choice_label
        self.fc = nn.Linear(32, 128)
        self.act = nn.GELU(approximate="tanh")
        self.act_silu = nn.SiLU()
        self.proj = nn.Linear(128, 32)
        self.drop = nn.Dropout(p=0.1)

    def forward(self, x, plan):
        out = self.fc(x)
        act_choice = runtime.choose(
            plan[self.act_choice_label],
            {"original": lambda: self.act(out), "silu": lambda: self.act_silu(out)}
        )
        return self.drop(self.proj(act_choice))


class Block(nn.Module):
    def __init__(self, act_choice_label):
        super().__init__()
        self.ln_1 = nn.LayerNorm(32)
        self.attn = CausalSelfAttention()
        self.ln_2 = nn.LayerNorm(32)
        self.mlp = FeedForward(act_choice_label)

    def forward(self, x, plan):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x), plan)


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(65, 32)
        self.wpe = nn.Embedding(32, 32)
        self.drop = nn.Dropout(p=0.1)
        self.h = nn.ModuleList(
            [
                Block("h.0.mlp.act"), Block("h.1.mlp.act"), Block("h.2.mlp.act"),
                Block("h.3.mlp.act"), Block("h.4.mlp.act"), Block("h.5.mlp.act")
            ]
        )
        self.ln_f = nn.LayerNorm(32)
        self.lm_head = nn.Linear(32, 65, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens, *, plan):
        _guard(not tokens.shape[1] > 32, "tests/models/gpt.py:113")
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.wte(tokens)
        x = self.drop(x + self.wpe(positions))
        for block in self.h:
            x = block(x, plan)
        return self.lm_head(self.ln_f(x))


def build() -> nn.Module:
    return GPT()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(
        tokens=torch.ones((2, 7), dtype=torch.int64),
        plan={
            "h.0.mlp.act": "original", "h.1.mlp.act": "original", "h.2.mlp.act": "original",
            "h.3.mlp.act": "original", "h.4.mlp.act": "original", "h.5.mlp.act": "original"
        }
    )
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
