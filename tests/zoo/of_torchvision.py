"""Every network of torchvision that is not quantized.

Images are as small as a network allows, and detectors answer with boxes of any score: random weights give low ones.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from tests.zoo.model import Inputs, Model, image, noise

Settings = dict[str, Any]


def _model(name: str, inputs: Inputs, module: str = "", batches: tuple[int, ...] = (2, 3), **settings: Any) -> Model:
    def make() -> nn.Module:
        models = importlib.import_module(f"torchvision.models{module}")
        network: nn.Module = getattr(models, name)(weights=None, **settings)
        return network

    return Model(f"torchvision/{name}", make, inputs, batches)


def _classifier(name: str, size: int = 64, **settings: Any) -> Model:
    return _model(name, image("x", 3, size, size), **settings)


def _transformer(name: str, size: int) -> Model:
    return _classifier(name, size, image_size=size)


def _segmenter(name: str, takes: str = "x") -> Model:
    return _model(name, image(takes, 3, 64, 64), ".segmentation", weights_backbone=None)


def _video(name: str, frames: int = 8, size: int = 64, **settings: Any) -> Model:
    return _model(name, image("x", 3, frames, size, size), ".video", **settings)


def _flow(name: str) -> Model:
    def inputs(batch: int) -> Settings:
        first, second = noise(2, batch, 3, 128, 128)
        return {"image1": first, "image2": second, "num_flow_updates": 2}

    return _model(name, inputs, ".optical_flow")


def _detector(name: str, **settings: Any) -> Model:
    # The loop over images is unrolled: another number of them is refused.
    def inputs(batch: int) -> Settings:
        return {"images": [*noise(batch, 3, 96, 96)]}

    return _model(name, inputs, ".detection", batches=(2,), weights_backbone=None, **settings)


_SCALED: Settings = {"min_size": 128, "max_size": 128}
_BOXES: Settings = {**_SCALED, "box_score_thresh": 0.0, "box_detections_per_img": 20, "rpn_post_nms_top_n_test": 50}
_SCORES: Settings = {**_SCALED, "score_thresh": 0.0, "topk_candidates": 100}
_RCNNS = (
    *("fasterrcnn_mobilenet_v3_large_320_fpn", "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn"),
    *("fasterrcnn_resnet50_fpn_v2", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2", "keypointrcnn_resnet50_fpn"),
)

MODELS = (
    *map(_classifier, ("alexnet", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn")),
    *map(_classifier, ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")),
    *map(_classifier, ("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d")),
    *map(_classifier, ("wide_resnet50_2", "wide_resnet101_2")),
    *map(_classifier, ("densenet121", "densenet161", "densenet169", "densenet201")),
    *map(_classifier, ("squeezenet1_0", "squeezenet1_1")),
    *map(_classifier, ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0")),
    *map(_classifier, ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large")),
    *map(_classifier, ("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3")),
    *map(_classifier, ("regnet_x_400mf", "regnet_x_800mf", "regnet_x_1_6gf", "regnet_x_3_2gf")),
    *map(_classifier, ("regnet_x_8gf", "regnet_x_16gf", "regnet_x_32gf")),
    *map(_classifier, ("regnet_y_400mf", "regnet_y_800mf", "regnet_y_1_6gf", "regnet_y_3_2gf")),
    *map(_classifier, ("regnet_y_8gf", "regnet_y_16gf", "regnet_y_32gf", "regnet_y_128gf")),
    *map(_classifier, ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3")),
    *map(_classifier, ("efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7")),
    *map(_classifier, ("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l")),
    *map(_classifier, ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")),
    *map(_classifier, ("swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b")),
    _transformer("vit_b_16", 64),
    _transformer("vit_b_32", 96),
    _transformer("vit_l_16", 64),
    _transformer("vit_l_32", 96),
    _transformer("vit_h_14", 56),
    _classifier("maxvit_t", 224),
    _classifier("googlenet", init_weights=False),
    _classifier("inception_v3", 299, init_weights=False),
    *map(_segmenter, ("fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101")),
    _segmenter("deeplabv3_mobilenet_v3_large"),
    _segmenter("lraspp_mobilenet_v3_large", "input"),
    *(_detector(name, **_BOXES) for name in _RCNNS),
    *(_detector(name, **_SCORES) for name in ("fcos_resnet50_fpn", "retinanet_resnet50_fpn")),
    _detector("retinanet_resnet50_fpn_v2", **_SCORES),
    _detector("ssd300_vgg16", score_thresh=0.0, topk_candidates=20),
    _detector("ssdlite320_mobilenet_v3_large", score_thresh=0.0, topk_candidates=20),
    *map(_video, ("r3d_18", "mc3_18", "r2plus1d_18", "swin3d_t", "swin3d_s", "swin3d_b")),
    _video("s3d", frames=14, size=224),
    *(_model(name, image("x", 3, 16, 224, 224), ".video", batches=(2, 1)) for name in ("mvit_v1_b", "mvit_v2_s")),
    *map(_flow, ("raft_small", "raft_large")),
)
