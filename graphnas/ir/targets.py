"""What a graph may name: call targets, layer types and constants. A file from somebody else cannot reach beyond.

The tables hold functions of tensors and numbers. Nothing in them opens a file or a socket, loads a library, takes a
callable, reads an attribute by its name, or touches storages, raw memory or global state. `verify` refuses whatever is
neither here nor in a module that the caller allows.
"""

from __future__ import annotations

from graphnas.ir.attributes import ATTRIBUTES, FACTS
from graphnas.ir.node import ALIAS, ARGUMENT, ENTERS, EXITS, GUARD, MERGES, SET_DATA


def _names(prefix: str, words: str) -> frozenset[str]:
    return frozenset(f"{prefix}.{word}" for word in words.split())


# ---------------------------------------------------------------- functions of torch
ARITHMETIC = _names(
    "torch",
    """
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr angle arccos arccosh arcsin arcsinh arctan
    arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor bmm ceil chain_matmul clamp clamp_max clamp_min clip complex conj conj_physical
    copysign cos cosh cross deg2rad digamma div divide dot einsum eq erf erfc erfinv exp exp2 expm1 fix float_power
    floor floor_divide fmax fmin fmod frac frexp gcd ge ger greater greater_equal gt heaviside hypot i0 igamma
    igammac imag inner isclose isfinite isinf isnan isneginf isposinf isreal kron lcm ldexp le lerp less less_equal
    lgamma log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit lt matmul
    matrix_exp matrix_power maximum minimum mm mul multiply mv mvlgamma nan_to_num ne neg negative nextafter
    not_equal outer polar polygamma positive pow rad2deg real reciprocal remainder round rsqrt rsub sgn sigmoid sign
    signbit sin sinc sinh sqrt square sub subtract tan tanh tensordot true_divide trunc vdot where xlogy
    """,
)

REDUCTIONS = _names(
    "torch",
    """
    all allclose amax amin aminmax any argmax argmin argsort argwhere bincount bucketize cdist combinations corrcoef
    cosine_similarity count_nonzero cov cummax cummin cumprod cumsum cumulative_trapezoid diff dist equal gradient
    histc histogram histogramdd isin kthvalue logcumsumexp logsumexp max mean median min mode msort nanmean
    nanmedian nanquantile nansum nonzero nonzero_static norm pairwise_distance pdist prod quantile renorm
    searchsorted sort std std_mean sum topk trapezoid trapz unique unique_consecutive var var_mean
    """,
)

SHAPING = _names(
    "torch",
    """
    adjoint alias_copy as_strided as_strided_copy as_strided_scatter atleast_1d atleast_2d atleast_3d block_diag
    broadcast_shapes broadcast_tensors broadcast_to cartesian_prod cat chunk clone column_stack concat concatenate
    constant_pad_nd detach detach_copy diag diag_embed diagflat diagonal diagonal_copy diagonal_scatter dsplit
    dstack expand_copy fill flatten flip fliplr flipud gather hsplit hstack index_add index_copy index_fill
    index_put index_reduce index_select masked_fill masked_scatter masked_select meshgrid moveaxis movedim narrow
    narrow_copy numel permute permute_copy put ravel repeat_interleave reshape resolve_conj resolve_neg roll rot90
    row_stack scatter scatter_add scatter_reduce segment_reduce select select_copy select_scatter slice_copy
    slice_scatter split split_copy split_with_sizes split_with_sizes_copy squeeze squeeze_copy stack swapaxes
    swapdims t t_copy take take_along_dim tensor_split tile trace transpose transpose_copy tril tril_indices triu
    triu_indices unbind unbind_copy unflatten unfold_copy unravel_index unsafe_chunk unsafe_split
    unsafe_split_with_sizes unsqueeze unsqueeze_copy view_as_complex view_as_complex_copy view_as_real
    view_as_real_copy view_copy vsplit vstack
    """,
)

CREATION = _names(
    "torch",
    """
    arange as_tensor bartlett_window blackman_window empty empty_like empty_permuted empty_strided eye full
    full_like hamming_window hann_window kaiser_window linspace logspace ones ones_like range scalar_tensor
    sparse_coo_tensor tensor vander zeros zeros_like
    """,
)

PREDICATES = _names(
    "torch",
    """
    _assert can_cast is_autocast_enabled is_complex is_conj is_floating_point is_grad_enabled is_inference_mode_enabled
    device finfo iinfo is_neg is_nonzero is_same_size is_signed is_tensor
    promote_types result_type _shape_as_tensor sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum
    """,
)

NETWORK = _names(
    "torch",
    """
    adaptive_avg_pool1d adaptive_max_pool1d affine_grid_generator alpha_dropout avg_pool1d batch_norm bilinear
    binary_cross_entropy_with_logits celu channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d
    conv_transpose2d conv_transpose3d _convolution convolution cosine_embedding_loss ctc_loss dropout embedding
    embedding_bag fake_quantize_per_channel_affine fake_quantize_per_tensor_affine feature_alpha_dropout
    feature_dropout grid_sampler grid_sampler_2d grid_sampler_3d group_norm gru gru_cell hardshrink
    hinge_embedding_loss instance_norm istft kl_div layer_norm _log_softmax log_softmax lstm lstm_cell
    margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool3d native_batch_norm
    native_channel_shuffle native_dropout native_group_norm native_layer_norm native_norm norm_except_dim
    _pack_padded_sequence _pad_packed_sequence pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu rms_norm
    rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell rrelu selu _softmax softmax stft threshold triplet_margin_loss
    _weight_norm
    """,
)

ALGEBRA = _names(
    "torch",
    """
    _grouped_mm cholesky cholesky_inverse cholesky_solve det frobenius_norm geqrf inverse lobpcg logdet lu lu_solve
    lu_unpack nuclear_norm orgqr ormqr pca_lowrank pinverse qr slogdet svd svd_lowrank triangular_solve
    """,
)

# Of the two, the first depend on how long sequences are, as data that they are given.
PACKING = _names("torch.nn.utils.rnn", "PackedSequence pack_padded_sequence pack_sequence pad_packed_sequence")
PADDING = _names("torch.nn.utils.rnn", "pad_sequence")

SPARSE = _names(
    "torch",
    """
    dsmm hsmm hspmm saddmm smm spmm sspaddmm
    """,
)

SAMPLING = _names(
    "torch",
    """
    bernoulli binomial multinomial normal poisson rand rand_like randint randint_like randn randn_like randperm
    _sample_dirichlet _standard_gamma
    """,
)

IN_PLACE = _names(
    "torch",
    """
    abs_ acos_ acosh_ addmv_ alpha_dropout_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_
    asinh_ atan_ atanh_ ceil_ celu_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_
    dropout_ embedding_renorm_ erf_ erfc_ exp_ exp2_ expm1_ feature_alpha_dropout_ feature_dropout_ fill_ fix_
    floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log_ log10_ log1p_ log2_ logit_ nan_to_num_ neg_ negative_ rad2deg_
    reciprocal_ relu_ round_ rrelu_ rsqrt_ selu_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ threshold_
    trunc_ xlogy_ zero_
    """,
)

FUNCTIONAL = _names(
    "torch.nn.functional",
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool1d_with_indices
    adaptive_max_pool2d adaptive_max_pool2d_with_indices adaptive_max_pool3d adaptive_max_pool3d_with_indices
    affine_grid alpha_dropout avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear binary_cross_entropy
    binary_cross_entropy_with_logits celu celu_ channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d
    conv_transpose2d conv_transpose3d cosine_embedding_loss cosine_similarity cross_entropy ctc_loss dropout
    dropout1d dropout2d dropout3d elu elu_ embedding embedding_bag feature_alpha_dropout fold fractional_max_pool2d
    fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices gaussian_nll_loss
    gelu glu grid_sample group_norm grouped_mm gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hardtanh_
    hinge_embedding_loss huber_loss instance_norm interpolate kl_div l1_loss layer_norm leaky_relu leaky_relu_
    linear local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d margin_ranking_loss max_pool1d
    max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool1d
    max_unpool2d max_unpool3d mish mse_loss multi_head_attention_forward multi_margin_loss multilabel_margin_loss
    multilabel_soft_margin_loss native_channel_shuffle nll_loss normalize one_hot pad pairwise_distance pdist
    pixel_shuffle pixel_unshuffle poisson_nll_loss prelu relu relu_ relu6 rms_norm rrelu rrelu_
    scaled_dot_product_attention selu selu_ sigmoid silu smooth_l1_loss soft_margin_loss softmax softmin softplus
    softshrink softsign tanh tanhshrink threshold threshold_ triplet_margin_loss unfold upsample upsample_bilinear
    upsample_nearest
    """,
)

# What `torch.nn.functional` and the recurrent layers call below themselves.
NATIVE = _names(
    "torch._C._nn",
    """
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool2d avg_pool3d
    binary_cross_entropy col2im _conv_depthwise2d conv_depthwise3d cross_entropy_loss elu elu_ fractional_max_pool2d
    fractional_max_pool3d gelu gelu_ glu hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ huber_loss
    im2col l1_loss leaky_relu leaky_relu_ linear log_sigmoid max_pool2d_with_indices max_pool3d_with_indices
    max_unpool2d max_unpool3d mish mish_ mse_loss multi_margin_loss multilabel_margin_loss nll_loss nll_loss2d
    nll_loss_nd one_hot pad _pad_circular _pad_enum pad_sequence reflection_pad1d reflection_pad2d reflection_pad3d
    relu6 relu6_ replication_pad1d replication_pad2d replication_pad3d rrelu_with_noise rrelu_with_noise_
    scaled_dot_product_attention silu silu_ slow_conv3d slow_conv_dilated2d slow_conv_dilated3d
    slow_conv_transpose2d slow_conv_transpose3d smooth_l1_loss soft_margin_loss softplus softshrink thnn_conv2d
    upsample_bicubic2d _upsample_bicubic2d_aa upsample_bilinear2d _upsample_bilinear2d_aa upsample_linear1d
    upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d upsample_trilinear3d
    """,
)

NATIVE_RECURRENT = _names(
    "torch._VF",
    """
    atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod cdist chain_matmul einsum
    frobenius_norm gru gru_cell istft lstm lstm_cell meshgrid norm nuclear_norm rnn_relu rnn_relu_cell rnn_tanh
    rnn_tanh_cell split stft tensordot unique_consecutive unique_dim
    """,
)

SPECIAL = _names(
    "torch.special",
    """
    airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u
    chebyshev_polynomial_v chebyshev_polynomial_w digamma entr erf erfc erfcx erfinv exp2 expit expm1 gammainc
    gammaincc gammaln hermite_polynomial_h hermite_polynomial_he i0 i0e i1 i1e laguerre_polynomial_l
    legendre_polynomial_p log1p log_ndtr log_softmax logit logsumexp modified_bessel_i0 modified_bessel_i1
    modified_bessel_k0 modified_bessel_k1 multigammaln ndtr ndtri polygamma psi round scaled_modified_bessel_k0
    scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u
    shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w sinc softmax spherical_bessel_j0 xlog1py xlogy
    zeta
    """,
)

FOURIER = _names(
    "torch.fft",
    """
    fft fft2 fftfreq fftn fftshift hfft hfft2 hfftn ifft ifft2 ifftn ifftshift ihfft ihfft2 ihfftn irfft irfft2
    irfftn rfft rfft2 rfftfreq rfftn
    """,
)

LINEAR_ALGEBRA = _names(
    "torch.linalg",
    """
    cholesky cholesky_ex cond cross det diagonal eig eigh eigvals eigvalsh householder_product inv inv_ex ldl_factor
    ldl_factor_ex ldl_solve lstsq lu lu_factor lu_factor_ex lu_solve matmul matrix_exp matrix_norm matrix_power
    matrix_rank multi_dot norm pinv qr slogdet solve solve_ex solve_triangular svd svdvals tensorinv tensorsolve
    vander vecdot vector_norm
    """,
)

# ---------------------------------------------------------------- methods and attributes of tensors
METHODS = _names(
    "torch.Tensor",
    """
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr adjoint all allclose amax amin aminmax angle
    any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere as_strided
    as_strided_scatter asin asinh atan atan2 atanh baddbmm bernoulli bfloat16 bincount bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm bool broadcast_to byte cdouble
    ceil cfloat chalf char cholesky cholesky_inverse cholesky_solve chunk clamp clamp_max clamp_min clip clone
    coalesce conj conj_physical contiguous copysign corrcoef cos cosh count_nonzero cov cpu cross cuda cummax cummin
    cumprod cumsum deg2rad dequantize det detach diag diag_embed diagflat diagonal diagonal_scatter diff digamma dim
    dist div divide dot double dsplit eq equal erf erfc erfinv exp exp2 expand expand_as expm1 fix flatten flip
    fliplr flipud float float_power floor floor_divide fmax fmin fmod frac frexp gather gcd ge geqrf ger greater
    greater_equal gt half hardshrink heaviside histc histogram hsplit hypot i0 igamma igammac index index_add
    index_copy index_fill index_put index_reduce index_select indices inner int inverse is_complex is_conj
    is_contiguous is_floating_point is_neg is_nonzero is_same_size is_signed isclose isfinite isinf isnan isneginf
    isposinf isreal istft item kron kthvalue lcm ldexp le lerp less less_equal lgamma log log10 log1p log2
    log_softmax logaddexp logaddexp2 logcumsumexp logdet logical_and logical_not logical_or logical_xor logit
    logsumexp long lt lu lu_solve masked_fill masked_scatter masked_select matmul matrix_exp matrix_power max
    maximum mean median min minimum mm mode moveaxis movedim msort mul multinomial multiply mv mvlgamma nan_to_num
    nanmean nanmedian nanquantile nansum narrow narrow_copy ndimension ne neg negative nelement new_empty
    new_empty_strided new_full new_ones new_tensor new_zeros nextafter nonzero nonzero_static norm not_equal numel
    orgqr ormqr outer permute pinverse polygamma positive pow prelu prod put qr quantile rad2deg ravel reciprocal
    relu remainder renorm repeat repeat_interleave reshape reshape_as resolve_conj resolve_neg roll rot90 round
    rsqrt scatter scatter_add scatter_reduce select select_scatter sgn short sigmoid sign signbit sin sinc sinh size
    slice_scatter slogdet smm softmax sort split split_with_sizes sqrt square squeeze sspaddmm std stft storage_offset
    stride sub subtract sum sum_to_size svd swapaxes swapdims t take take_along_dim tan tanh tensor_split tile to
    to_dense to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr tolist
    topk trace transpose triangular_solve tril triu true_divide trunc type type_as unbind unflatten unfold unique
    unique_consecutive unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze values var vdot view view_as
    vsplit where xlogy
    """,
)

METHODS_IN_PLACE = _names(
    "torch.Tensor",
    """
    abs_ absolute_ acos_ acosh_ add_ addbmm_ addcdiv_ addcmul_ addmm_ addmv_ addr_ arccos_ arccosh_ arcsin_ arcsinh_
    arctan_ arctan2_ arctanh_ as_strided_ asin_ asinh_ atan_ atan2_ atanh_ baddbmm_ bernoulli_ bitwise_and_
    bitwise_left_shift_ bitwise_not_ bitwise_or_ bitwise_right_shift_ bitwise_xor_ cauchy_ ceil_ clamp_ clamp_max_
    clamp_min_ clip_ conj_physical_ copy_ copysign_ cos_ cosh_ cumprod_ cumsum_ deg2rad_ detach_ digamma_ div_
    divide_ eq_ erf_ erfc_ erfinv_ exp_ exp2_ expm1_ exponential_ fill_ fill_diagonal_ fix_ float_power_ floor_
    floor_divide_ fmod_ frac_ gcd_ ge_ geometric_ greater_ greater_equal_ gt_ heaviside_ hypot_ i0_ igamma_ igammac_
    index_add_ index_copy_ index_fill_ index_put_ index_reduce_ lcm_ ldexp_ le_ lerp_ less_ less_equal_ lgamma_ log_
    log10_ log1p_ log2_ log_normal_ logical_and_ logical_not_ logical_or_ logical_xor_ logit_ lt_ masked_fill_
    masked_scatter_ mul_ multiply_ mvlgamma_ nan_to_num_ ne_ neg_ negative_ nextafter_ normal_ not_equal_ polygamma_
    pow_ put_ rad2deg_ random_ reciprocal_ relu_ remainder_ renorm_ requires_grad_ round_ rsqrt_ scatter_
    scatter_add_ scatter_reduce_ sgn_ sigmoid_ sign_ sin_ sinc_ sinh_ sqrt_ square_ squeeze_ sub_ subtract_
    swapaxes_ swapdims_ t_ tan_ tanh_ transpose_ tril_ triu_ true_divide_ trunc_ uniform_ unsqueeze_ xlogy_ zero_
    """,
)

OPERATORS = _names(
    "torch.Tensor",
    """
    __abs__ __add__ __and__ __bool__ __complex__ __contains__ __div__ __eq__ __float__ __floordiv__ __ge__
    __getitem__ __gt__ __iadd__ __iand__ __idiv__ __ifloordiv__ __ilshift__ __imod__ __imul__ __index__ __int__
    __invert__ __ior__ __ipow__ __irshift__ __isub__ __iter__ __itruediv__ __ixor__ __le__ __len__ __lshift__ __lt__
    __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__ __radd__ __rand__ __rdiv__ __reversed__
    __rfloordiv__ __rlshift__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rrshift__ __rshift__ __rsub__
    __rtruediv__ __rxor__ __setitem__ __sub__ __truediv__ __xor__
    """,
)

# ---------------------------------------------------------------- numbers of Python
NUMBERS = _names(
    "math",
    """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh degrees dist erf erfc exp exp2 expm1 fabs
    floor fmod frexp fsum gamma gcd hypot isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2
    modf nextafter pow prod radians remainder sin sinh sqrt tan tanh trunc ulp
    """,
)

PYTHON_OPERATORS = _names(
    "operator",
    """
    abs add and_ concat contains countOf eq floordiv ge getitem gt iadd iand iconcat ifloordiv ilshift imatmul imod
    imul index indexOf inv invert ior ipow irshift is_ is_not isub itruediv ixor le lshift lt matmul mod mul ne neg
    not_ or_ pos pow rshift setitem sub truediv truth xor
    """,
)

# ---------------------------------------------------------------- the tables
OWN = frozenset({GUARD, *ENTERS, *EXITS, ALIAS, SET_DATA, ARGUMENT, *MERGES.values()})

TARGETS = frozenset().union(
    ARITHMETIC,
    REDUCTIONS,
    SHAPING,
    CREATION,
    PREDICATES,
    NETWORK,
    ALGEBRA,
    PACKING,
    PADDING,
    SPARSE,
    SAMPLING,
    IN_PLACE,
    FUNCTIONAL,
    NATIVE,
    NATIVE_RECURRENT,
    SPECIAL,
    FOURIER,
    LINEAR_ALGEBRA,
    METHODS,
    METHODS_IN_PLACE,
    OPERATORS,
    ATTRIBUTES,
    NUMBERS,
    PYTHON_OPERATORS,
    OWN,
)

# Of the standard library: what holds whatever it is given by name.
NAMESPACES = frozenset({"argparse.Namespace", "types.SimpleNamespace"})

LAYERS = _names(
    "torch.nn",
    """
    AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveLogSoftmaxWithLoss AdaptiveMaxPool1d AdaptiveMaxPool2d
    AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d AvgPool3d BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d
    BatchNorm3d Bilinear CELU CTCLoss ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d
    ConstantPad2d ConstantPad3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d CosineEmbeddingLoss
    CosineSimilarity CrossEntropyLoss CrossMapLRN2d Dropout Dropout1d Dropout2d Dropout3d ELU Embedding EmbeddingBag
    FeatureAlphaDropout Flatten Fold FractionalMaxPool2d FractionalMaxPool3d GELU GLU GRU GRUCell GaussianNLLLoss
    GroupNorm Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity InstanceNorm1d
    InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d LSTM LSTMCell LayerNorm LeakyReLU Linear
    LocalResponseNorm LogSigmoid LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d
    MaxUnpool2d MaxUnpool3d Mish MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention
    NLLLoss NLLLoss2d PReLU PairwiseDistance PixelShuffle PixelUnshuffle PoissonNLLLoss RMSNorm RNN RNNCell RReLU ReLU
    ReLU6 ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d SELU SiLU
    Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d Softmin Softplus Softshrink Softsign SyncBatchNorm Tanh
    Tanhshrink Threshold Transformer TransformerDecoderLayer TransformerEncoderLayer TripletMarginLoss Unflatten Unfold
    Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d
    """,
)

# Modules that hold others; `TransformerEncoder` and its like are built from modules, so they are not layers either.
CONTAINERS = _names(
    "torch.nn",
    """
    Module ModuleDict ModuleList ParameterDict ParameterList Sequential Transformer TransformerDecoder
    TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer
    """,
)

# What `Constant` may name.
CONSTANTS = _names(
    "torch",
    """
    bfloat16 bool cdouble cfloat chalf complex32 complex64 complex128 double float float4_e2m1fn_x2 float8_e4m3fn
    float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu float16 float32 float64 half int int8 int16 int32 int64
    long qint8 qint32 quint2x4 quint4x2 quint8 short uint8 uint16 uint32 uint64
    jagged sparse_bsc sparse_bsr sparse_coo sparse_csc sparse_csr strided
    channels_last channels_last_3d contiguous_format legacy_contiguous_format preserve_format
    """,
)

# What may be called besides to give a tensor its first values.
INITIALIZERS = _names(
    "torch.nn.init",
    """
    constant_ dirac_ eye_ kaiming_normal_ kaiming_uniform_ normal_ ones_ orthogonal_ sparse_ trunc_normal_ uniform_
    xavier_normal_ xavier_uniform_ zeros_
    """,
)

# ---------------------------------------------------------------- facts about targets
# They draw random numbers, some only in training or with a probability above 0.
RANDOM = SAMPLING.union(
    _names(
        "torch",
        """
        alpha_dropout alpha_dropout_ dropout dropout_ feature_alpha_dropout feature_alpha_dropout_ feature_dropout
        feature_dropout_ gru lobpcg lstm native_dropout pca_lowrank rnn_relu rnn_tanh rrelu rrelu_ svd_lowrank
        """,
    ),
    _names(
        "torch.nn.functional",
        """
        alpha_dropout dropout dropout1d dropout2d dropout3d feature_alpha_dropout fractional_max_pool2d
        fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices gumbel_softmax
        multi_head_attention_forward rrelu rrelu_ scaled_dot_product_attention
        """,
    ),
    _names("torch._C._nn", "rrelu_with_noise rrelu_with_noise_ scaled_dot_product_attention"),
    _names("torch._VF", "gru lstm rnn_relu rnn_tanh"),
    _names(
        "torch.Tensor",
        "bernoulli bernoulli_ cauchy_ exponential_ geometric_ log_normal_ multinomial normal_ random_ uniform_",
    ),
)

RANDOM_LAYERS = _names(
    "torch.nn",
    """
    AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout FractionalMaxPool2d FractionalMaxPool3d GRU
    LSTM MultiheadAttention RNN RReLU Transformer TransformerDecoderLayer TransformerEncoderLayer
    """,
)
# What they do depends on the mode.
MODE_LAYERS = RANDOM_LAYERS.union(
    _names(
        "torch.nn",
        "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d SyncBatchNorm",
    )
)

# They keep statistics of what they are given, in training: layers → whether they do so by default, functions → the
# place of the running mean among their arguments.
STATISTICS_LAYERS = {
    **dict.fromkeys(_names("torch.nn", "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm"), True),
    **dict.fromkeys(_names("torch.nn", "InstanceNorm1d InstanceNorm2d InstanceNorm3d"), False),
}
STATISTICS_CALLS = {
    **dict.fromkeys(_names("torch.nn.functional", "batch_norm instance_norm"), 1),
    **dict.fromkeys(_names("torch", "batch_norm instance_norm native_batch_norm"), 3),
}

# Their result may share memory with the first argument, or be that very tensor: views, conversions to what a tensor
# already is, dropout that drops nothing.
VIEWS = frozenset().union(
    _names(
        "torch",
        """
        adjoint alpha_dropout as_strided as_tensor atleast_1d atleast_2d atleast_3d broadcast_tensors broadcast_to
        cartesian_prod chain_matmul chunk conj conj_physical detach diagonal dropout dsplit einsum feature_alpha_dropout
        feature_dropout flatten hsplit imag meshgrid moveaxis movedim narrow permute positive ravel real reshape
        resolve_conj resolve_neg select split split_with_sizes squeeze swapaxes swapdims t tensor_split transpose unbind
        unflatten unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze view_as_complex view_as_real vsplit
        """,
    ),
    _names(
        "torch.Tensor",
        """
        __getitem__ __iter__ __pos__ adjoint as_strided bfloat16 bool broadcast_to byte cdouble cfloat chalf char chunk
        coalesce conj conj_physical contiguous cpu cuda dequantize detach diagonal double dsplit expand expand_as
        flatten float half hsplit indices int long moveaxis movedim narrow permute positive ravel reshape reshape_as
        resolve_conj resolve_neg select short split split_with_sizes squeeze sum_to_size swapaxes swapdims t
        tensor_split to to_dense to_sparse transpose type type_as unbind unflatten unfold unsafe_chunk unsafe_split
        unsafe_split_with_sizes unsqueeze values view view_as vsplit
        """,
    ),
    _names(
        "torch.nn.functional", "alpha_dropout dropout dropout1d dropout2d dropout3d feature_alpha_dropout pad unfold"
    ),
    _names(
        "torch._VF",
        "atleast_1d atleast_2d atleast_3d broadcast_tensors cartesian_prod chain_matmul einsum meshgrid split",
    ),
    _names("torch.linalg", "diagonal multi_dot"),
    _names("torch._C._nn", "pad im2col"),
    _names("torch.nn.utils.rnn", "PackedSequence"),
    ATTRIBUTES - FACTS - _names("torch.Tensor", "grad"),
    _names("operator", "getitem pos"),
    {ALIAS},
)

VIEW_LAYERS = _names(
    "torch.nn",
    """
    AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout Flatten Identity Unflatten
    """,
)

# Their gradient is computed from their result, so that nothing may be written into it afterwards.
KEPT_RESULTS = frozenset().union(
    *(
        _names(
            module,
            """
            amax amin celu_ copysign copysign_ cumprod cumprod_ dist elu_ exp exp2 exp2_ exp_ expm1 expm1_
            gumbel_softmax hypot hypot_ ldexp ldexp_ leaky_relu_ log_softmax logcumsumexp logsumexp max
            median min nanmedian norm pow pow_ prod reciprocal reciprocal_ relu relu_ rrelu_ rsqrt rsqrt_
            scaled_dot_product_attention selu_ sgn sgn_ sigmoid sigmoid_ softmax softmin sqrt sqrt_ std
            tan tan_ tanh tanh_
            """,
        )
        for module in ("torch", "torch.Tensor", "torch.nn.functional", "torch._C._nn", "torch.special")
    ),
    _names("torch.Tensor", "__pow__ __rpow__ __ipow__"),
)

KEPT_RESULT_LAYERS = _names("torch.nn", "LogSoftmax ReLU Sigmoid Softmax Softmax2d Softmin Tanh")

# In place, these compute their gradient from the result as well.
KEPT_WRITES = _names("torch.nn", "CELU ELU LeakyReLU RReLU SELU").union(
    _names("torch.nn.functional", "celu elu leaky_relu rrelu selu")
)
