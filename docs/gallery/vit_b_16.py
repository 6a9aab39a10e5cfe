# The network VisionTransformer, written by graphnas 0.1.0 from graph 3a6454d66d59c833.
import torch
from torch import nn


class EncoderBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(768, eps=1e-06)
        self.self_attention = nn.MultiheadAttention(768, 12, kdim=768, vdim=768, batch_first=True)
        self.dropout = nn.Dropout(p=0.0)
        self.ln_2 = nn.LayerNorm(768, eps=1e-06)
        self.mlp = nn.Sequential(
            nn.Linear(768, 3072), nn.GELU(), nn.Dropout(p=0.0), nn.Linear(3072, 768),
            nn.Dropout(p=0.0)
        )

    def forward(self, tokens):
        x = self.ln_1(tokens)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + tokens
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, 1, 768))
        self.pos_embedding = nn.Parameter(torch.empty(1, 5, 768))
        self.conv_proj = nn.Conv2d(3, 768, 16, stride=16)
        self.dropout = nn.Dropout(p=0.0)
        self.blocks = nn.Sequential(*(EncoderBlock() for _ in range(12)))
        self.ln = nn.LayerNorm(768, eps=1e-06)
        self.head = nn.Linear(768, 1000)

    def forward(self, x):
        out = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), out], dim=1)
        x = self.ln(self.blocks(self.dropout(x + self.pos_embedding)))
        return self.head(x[:, 0])


def build() -> nn.Module:
    return VisionTransformer()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
