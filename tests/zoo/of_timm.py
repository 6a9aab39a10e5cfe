"""One network of every module of timm, the smallest, and some that are built from others' parts."""

from __future__ import annotations

import importlib
from typing import Any

from torch import nn

from tests.zoo.model import Model, image


def _model(name: str, size: int, **settings: Any) -> Model:
    def make() -> nn.Module:
        network: nn.Module = importlib.import_module("timm").create_model(name, **settings)
        return network

    return Model(f"timm/{name}", make, image("x", 3, size, size))


# Size of the images → networks: as small as each allows.
_SIZES = {
    64: (
        *("convmixer_768_32", "convnext_atto", "cpubone_nano", "cs3darknet_focus_s", "csatv2", "cspnext_tiny"),
        *("davit_tiny", "densenet121", "dla46x_c", "dpn48b", "edgenext_xx_small", "efficientnet_lite0"),
        *("efficientvim_m1", "efficientvit_b0", "ese_vovnet19b_slim_dw", "fasternet_t0", "fastvit_t8"),
        *("focalnet_tiny_srf", "gemma4_vit_167m", "ghostnet_050", "hardcorenas_b", "hgnetv2_b0", "hrnet_w18_small"),
        *("iformer_t", "inception_next_atto", "lcnetv2_small", "legacy_seresnet18", "legacy_xception"),
        *("lowformer_b0", "mobilenetv3_small_050", "mobilenetv4_conv_small", "mobilenetv5_base", "mobilevit_xxs"),
        *("naflexvit_base_patch16_parfac_gap", "nasnetalarge", "nextvit_small", "pnasnet5large", "poolformerv2_s12"),
        *("pvt_v2_b0", "qwen3_vit_88m", "rdnet_tiny", "regnetx_002", "repghostnet_050", "repvgg_a0", "repvit_m1"),
        *("res2next50", "resnest14d", "resnet26d", "resnetv2_18", "rexnet_100", "sam2_hiera_tiny", "selecsls42"),
        *("shvit_s1", "skresnet18", "starnet_s050", "test_byobnet", "test_convnext", "test_efficientnet"),
        *("test_mambaout", "test_nfnet", "test_resnet", "tiny_vit_5m_224", "tresnet_m", "vgg11", "xception41p"),
    ),
    96: (*("adv_inception_v3", "ens_adv_inception_resnet_v2", "inception_v4"),),
    160: (*("test_coatnet", "test_vit", "test_vit_relpos"),),
    224: (
        *("beit_base_patch16_224", "cait_xxs24_224", "coat_lite_tiny", "coat_mini", "coat_tiny", "convit_tiny"),
        *("deit_tiny_patch16_224", "efficientformer_l1", "efficientformerv2_s0", "efficientvit_m0", "gcvit_xxtiny"),
        *("gmlp_ti16_224", "hiera_tiny_224", "jx_nest_tiny", "levit_128s", "mvitv2_tiny", "pit_ti_224"),
        *("samvit_base_patch16_224", "sequencer2d_s", "swiftformer_xs", "swin_tiny_patch4_window7_224"),
        *("swinv2_cr_tiny_224", "tnt_s_legacy_patch16_224", "twins_svt_small", "visformer_tiny"),
        *("vit_tiny_r_s16_p8_224", "vitamin_small_224", "volo_d1_224", "xcit_nano_12_p8_224"),
    ),
    240: (*("crossvit_tiny_240",),),
    256: (*("halonet_h1", "swinv2_tiny_window16_256", "vit_tiny_patch16_dinov3_qkvb"),),
}
MODELS = (
    *(_model(name, size) for size, names in _SIZES.items() for name in names),
    _model("deepseek_vit_412m", 112, img_size=112),
    _model("vit_small_patch32_224", 224, drop_path_rate=0.2),
)
