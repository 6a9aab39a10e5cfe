# The supernet VisionTransformer, written by graphnas 0.1.0 from graph 214cdd695667befa.
import torch
from torch import nn

from graphnas.oneshot import runtime


class Mlp(nn.Sequential):
    def __init__(self, x1_choice_label):
        super().__init__()
        self.x1_choice_label = x1_choice_label
        self.add_module("0", nn.Linear(768, 3072))
        self.add_module("1", nn.GELU())
        self.add_module("1_silu", nn.SiLU())
        self.add_module("2", nn.Dropout(p=0.0))
        self.add_module("3", nn.Linear(3072, 768))
        self.add_module("4", nn.Dropout(p=0.0))

    def forward(self, input, plan):
        x = self[0](input)
        x1_choice = runtime.choose(
            plan[self.x1_choice_label],
            {"original": lambda: self[1](x), "silu": lambda: self[2](x)}
        )
        return self[5](self[4](self[3](x1_choice)))


class EncoderBlock(nn.Module):
    def __init__(self, x1_choice_label):
        super().__init__()
        self.ln_1 = nn.LayerNorm(768, eps=1e-06)
        self.self_attention = nn.MultiheadAttention(768, 12, kdim=768, vdim=768, batch_first=True)
        self.dropout = nn.Dropout(p=0.0)
        self.ln_2 = nn.LayerNorm(768, eps=1e-06)
        self.mlp = Mlp(x1_choice_label)

    def forward(self, tokens, plan):
        x = self.ln_1(tokens)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + tokens
        return x + self.mlp(self.ln_2(x), plan)


class Blocks(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.add_module("0", EncoderBlock("blocks.0.mlp.1"))
        self.add_module("1", EncoderBlock("blocks.1.mlp.1"))
        self.add_module("2", EncoderBlock("blocks.2.mlp.1"))
        self.add_module("3", EncoderBlock("blocks.3.mlp.1"))
        self.add_module("4", EncoderBlock("blocks.4.mlp.1"))
        self.add_module("5", EncoderBlock("blocks.5.mlp.1"))
        self.add_module("6", EncoderBlock("blocks.6.mlp.1"))
        self.add_module("7", EncoderBlock("blocks.7.mlp.1"))
        self.add_module("8", EncoderBlock("blocks.8.mlp.1"))
        self.add_module("9", EncoderBlock("blocks.9.mlp.1"))
        self.add_module("10", EncoderBlock("blocks.10.mlp.1"))
        self.add_module("11", EncoderBlock("blocks.11.mlp.1"))

    def forward(self, input, plan):
        x = input
        for block in self:
            x = block(x, plan)
        return x


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, 1, 768))
        self.pos_embedding = nn.Parameter(torch.empty(1, 5, 768))
        self.conv_proj = nn.Conv2d(3, 768, 16, stride=16)
        self.dropout = nn.Dropout(p=0.0)
        self.blocks = Blocks()
        self.ln = nn.LayerNorm(768, eps=1e-06)
        self.head = nn.Linear(768, 1000)

    def forward(self, x, *, plan):
        out = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), out], dim=1)
        x = self.ln(self.blocks(self.dropout(x + self.pos_embedding), plan))
        return self.head(x[:, 0])


def build() -> nn.Module:
    return VisionTransformer()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(
        x=torch.randn(2, 3, 32, 32),
        plan={
            "blocks.0.mlp.1": "original", "blocks.1.mlp.1": "original",
            "blocks.2.mlp.1": "original", "blocks.3.mlp.1": "original",
            "blocks.4.mlp.1": "original", "blocks.5.mlp.1": "original",
            "blocks.6.mlp.1": "original", "blocks.7.mlp.1": "original",
            "blocks.8.mlp.1": "original", "blocks.9.mlp.1": "original",
            "blocks.10.mlp.1": "original", "blocks.11.mlp.1": "original"
        }
    )
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
