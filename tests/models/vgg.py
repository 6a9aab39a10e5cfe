"""VGG-16.

Reference: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015, table 1
(configuration D), arXiv:1409.1556.
"""

from __future__ import annotations

from torch import Tensor, nn

# Output channels of the convolutions as multiples of the first one's; None is a pooling.
CONFIGURATION_D = (1, 1, None, 2, 2, None, 4, 4, 4, None, 8, 8, 8, None, 8, 8, 8, None)


class VGG(nn.Module):
    """Convolutions of 3 x 3 pixels, poolings, and three linear layers."""

    def __init__(self, width: int = 64, hidden: int = 4096, num_classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for factor in CONFIGURATION_D:
            if factor is None:
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers.append(nn.Conv2d(channels, factor * width, 3, padding=1))
                layers.append(nn.ReLU(inplace=True))
                channels = factor * width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(49 * channels, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = x.flatten(1)
        return self.classifier(x)


def vgg16(width: int = 64, hidden: int = 4096, num_classes: int = 1000) -> VGG:
    """VGG-16; its published size is 138,357,544 parameters."""
    return VGG(width, hidden, num_classes)
