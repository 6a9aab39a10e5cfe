# The network DenseNet, written by graphnas 0.1.0 from graph 3aa1be9a7e2dce8a.
import torch
from torch import nn


class DenseLayer(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(num_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_features, 16, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(16, 4, 3, padding=1, bias=False)

    def forward(self, x):
        x = self.norm2(self.conv1(self.relu1(self.norm1(x))))
        return self.conv2(self.relu2(x))


class Transition(nn.Sequential):
    def __init__(self, num_features):
        super().__init__()
        self.norm = nn.BatchNorm2d(num_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_features, num_features // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)

    def forward(self, input):
        x = self[3](self[2](self[1](self[0](input))))
        return x


class DenseBlock(nn.Module):
    def __init__(
        self, norm1_num_features_6, norm1_num_features_7, norm1_num_features_8,
        norm1_num_features_9, norm1_num_features_10, norm1_num_features_11, num_features=None,
        norm1_num_features=None, norm1_num_features_2=None, norm1_num_features_3=None,
        norm1_num_features_4=None, norm1_num_features_5=None, cat=False, has_cat=False
    ):
        super().__init__()
        self.cat = cat
        self.has_cat = has_cat
        self.num_features = num_features
        layers = []
        if cat:
            layers += [
                DenseLayer(32), DenseLayer(36), DenseLayer(40), DenseLayer(44), DenseLayer(48),
                DenseLayer(52), DenseLayer(56), DenseLayer(60)
            ]
        if has_cat:
            layers += [DenseLayer(64), DenseLayer(68), DenseLayer(72), DenseLayer(76)]
        if num_features is not None:
            layers += [
                DenseLayer(num_features), DenseLayer(norm1_num_features),
                DenseLayer(norm1_num_features_2), DenseLayer(norm1_num_features_3),
                DenseLayer(norm1_num_features_4), DenseLayer(norm1_num_features_5)
            ]
        layers += [
            DenseLayer(norm1_num_features_6), DenseLayer(norm1_num_features_7),
            DenseLayer(norm1_num_features_8), DenseLayer(norm1_num_features_9),
            DenseLayer(norm1_num_features_10), DenseLayer(norm1_num_features_11)
        ]
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        out = self.layers[0](torch.cat([x], 1))
        x_1 = self.layers[1](torch.cat([x, out], 1))
        x_2 = self.layers[2](torch.cat([x, out, x_1], 1))
        x_3 = self.layers[3](torch.cat([x, out, x_1, x_2], 1))
        x_4 = self.layers[4](torch.cat([x, out, x_1, x_2, x_3], 1))
        cat = torch.cat([x, out, x_1, x_2, x_3, x_4], 1)
        x_5 = self.layers[5](cat)
        cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5], 1)
        if self.num_features is not None:
            x_6 = self.layers[6](cat)
            cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5, x_6], 1)
            x_7 = self.layers[7](cat)
            cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7], 1)
            x_8 = self.layers[8](cat)
            cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8], 1)
            x_9 = self.layers[9](cat)
            cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9], 1)
            x_10 = self.layers[10](cat)
            cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10], 1)
            x_11 = self.layers[11](cat)
            cat = torch.cat([x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11], 1)
        if self.has_cat:
            x_12 = self.layers[12](cat)
            cat = torch.cat(
                [x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12], 1
            )
            x_13 = self.layers[13](cat)
            cat = torch.cat(
                [x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13], 1
            )
            x_14 = self.layers[14](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14
                ],
                1
            )
            x_15 = self.layers[15](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15
                ],
                1
            )
        if self.cat:
            x_16 = self.layers[16](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16
                ],
                1
            )
            x_17 = self.layers[17](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17
                ],
                1
            )
            x_18 = self.layers[18](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17, x_18
                ],
                1
            )
            x_19 = self.layers[19](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17, x_18, x_19
                ],
                1
            )
            x_20 = self.layers[20](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17, x_18, x_19, x_20
                ],
                1
            )
            x_21 = self.layers[21](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17, x_18, x_19, x_20, x_21
                ],
                1
            )
            x_22 = self.layers[22](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17, x_18, x_19, x_20, x_21, x_22
                ],
                1
            )
            x_23 = self.layers[23](cat)
            cat = torch.cat(
                [
                    x, out, x_1, x_2, x_3, x_4, x_5, x_6, x_7, x_8, x_9, x_10, x_11, x_12, x_13,
                    x_14, x_15, x_16, x_17, x_18, x_19, x_20, x_21, x_22, x_23
                ],
                1
            )
        return cat


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv0 = nn.Conv2d(3, 8, 7, stride=2, padding=3, bias=False)
        self.norm0 = nn.BatchNorm2d(8)
        self.relu0 = nn.ReLU(inplace=True)
        self.pool0 = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = nn.Sequential(
            DenseBlock(8, 12, 16, 20, 24, 28), Transition(32),
            DenseBlock(
                40, 44, 48, 52, 56, 60, num_features=16, norm1_num_features=20,
                norm1_num_features_2=24, norm1_num_features_3=28, norm1_num_features_4=32,
                norm1_num_features_5=36
            ),
            Transition(64),
            DenseBlock(
                104, 108, 112, 116, 120, 124, num_features=80, norm1_num_features=84,
                norm1_num_features_2=88, norm1_num_features_3=92, norm1_num_features_4=96,
                norm1_num_features_5=100, cat=True, has_cat=True
            ),
            Transition(128),
            DenseBlock(
                104, 108, 112, 116, 120, 124, num_features=80, norm1_num_features=84,
                norm1_num_features_2=88, norm1_num_features_3=92, norm1_num_features_4=96,
                norm1_num_features_5=100, has_cat=True
            )
        )
        self.norm5 = nn.BatchNorm2d(128)
        self.relu5 = nn.ReLU(inplace=True)
        self.classifier = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool0(self.relu0(self.norm0(self.conv0(x))))
        x = self.relu5(self.norm5(self.blocks(x))).mean((2, 3))
        return self.classifier(x)


def build() -> nn.Module:
    return DenseNet()


if __name__ == "__main__":
    net = build().eval()
    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")
    output = net(x=torch.randn(2, 3, 32, 32))
    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)
