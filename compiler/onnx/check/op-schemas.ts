/**
 * Made by scripts/make-op-schemas.py of onnx 1.23.2; not to be edited. The script says how to
 * read it.
 */
export const opSchemas: Readonly<Record<string, string>> = {
  Abs: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  Acos: "7 1-1 1-1; 22 1-1 1-1",
  Acosh: "9 1-1 1-1; 22 1-1 1-1",
  Add: "1 2-2 1-1 axis=i broadcast=i consumed_inputs=I; 6 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 13 2-2 1-1; 14 2-2 1-1",
  AffineGrid: "20 2-2 1-1 align_corners=i",
  And: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1",
  ArgMax:
    "1 1-1 1-1 axis=i keepdims=i; 11 1-1 1-1 axis=i keepdims=i; 12 1-1 1-1 axis=i keepdims=i select_last_index=i; 13 1-1 1-1 axis=i keepdims=i select_last_index=i",
  ArgMin:
    "1 1-1 1-1 axis=i keepdims=i; 11 1-1 1-1 axis=i keepdims=i; 12 1-1 1-1 axis=i keepdims=i select_last_index=i; 13 1-1 1-1 axis=i keepdims=i select_last_index=i",
  Asin: "7 1-1 1-1; 22 1-1 1-1",
  Asinh: "9 1-1 1-1; 22 1-1 1-1",
  Atan: "7 1-1 1-1; 22 1-1 1-1",
  Atanh: "9 1-1 1-1; 22 1-1 1-1",
  Attention:
    "23 3-6 1-4 is_causal=i kv_num_heads=i q_num_heads=i qk_matmul_output_mode=i scale=f softcap=f softmax_precision=i; 24 3-7 1-4 is_causal=i kv_num_heads=i q_num_heads=i qk_matmul_output_mode=i scale=f softcap=f softmax_precision=i; 25 3-7 1-4 is_causal=i kv_num_heads=i left_window_size=i q_num_heads=i qk_matmul_output_mode=i right_window_size=i scale=f softcap=f softmax_precision=i",
  AveragePool:
    "1 1-1 1-1 auto_pad=s kernel_shape=I! pads=I strides=I; 7 1-1 1-1 auto_pad=s count_include_pad=i kernel_shape=I! pads=I strides=I; 10 1-1 1-1 auto_pad=s ceil_mode=i count_include_pad=i kernel_shape=I! pads=I strides=I; 11 1-1 1-1 auto_pad=s ceil_mode=i count_include_pad=i kernel_shape=I! pads=I strides=I; 19 1-1 1-1 auto_pad=s ceil_mode=i count_include_pad=i dilations=I kernel_shape=I! pads=I strides=I; 22 1-1 1-1 auto_pad=s ceil_mode=i count_include_pad=i dilations=I kernel_shape=I! pads=I strides=I",
  BatchNormalization:
    "1 5-5 1-5 consumed_inputs=I! epsilon=f is_test=i momentum=f spatial=i; 6 5-5 1-5 epsilon=f is_test=i momentum=f spatial=i; 7 5-5 1-5 epsilon=f momentum=f spatial=i; 9 5-5 1-5 epsilon=f momentum=f; 14 5-5 1-3 epsilon=f momentum=f training_mode=i; 15 5-5 1-3 epsilon=f momentum=f training_mode=i",
  Bernoulli: "15 1-1 1-1 dtype=i seed=f; 22 1-1 1-1 dtype=i seed=f",
  BitCast: "26 1-1 1-1 to=i!",
  BitShift: "11 2-2 1-1 direction=s!; 28 2-2 1-1 direction=s!",
  BitwiseAnd: "18 2-2 1-1",
  BitwiseNot: "18 1-1 1-1",
  BitwiseOr: "18 2-2 1-1",
  BitwiseXor: "18 2-2 1-1",
  BlackmanWindow: "17 1-1 1-1 output_datatype=i periodic=i",
  Cast: "1 1-1 1-1 to=s!; 6 1-1 1-1 to=i!; 9 1-1 1-1 to=i!; 13 1-1 1-1 to=i!; 19 1-1 1-1 saturate=i to=i!; 21 1-1 1-1 saturate=i to=i!; 23 1-1 1-1 saturate=i to=i!; 24 1-1 1-1 round_mode=s saturate=i to=i!; 25 1-1 1-1 round_mode=s saturate=i to=i!; 28 1-1 1-1 round_mode=s saturate=i to=i!",
  CastLike:
    "15 2-2 1-1; 19 2-2 1-1 saturate=i; 21 2-2 1-1 saturate=i; 23 2-2 1-1 saturate=i; 24 2-2 1-1 round_mode=s saturate=i; 25 2-2 1-1 round_mode=s saturate=i",
  CausalConvWithState: "27 2-4 2-2 activation=s",
  Ceil: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  Celu: "12 1-1 1-1 alpha=f; 28 1-1 1-1 alpha=f",
  CenterCropPad: "18 2-2 1-1 axes=I",
  Clip: "1 1-1 1-1 consumed_inputs=I max=f min=f; 6 1-1 1-1 max=f min=f; 11 1-3 1-1; 12 1-3 1-1; 13 1-3 1-1",
  Col2Im: "18 3-3 1-1 dilations=I pads=I strides=I",
  Compress: "9 2-2 1-1 axis=i; 11 2-2 1-1 axis=i; 28 2-2 1-1 axis=i",
  Concat: "1 1-* 1-1 axis=i; 4 1-* 1-1 axis=i!; 11 1-* 1-1 axis=i!; 13 1-* 1-1 axis=i!",
  ConcatFromSequence: "11 1-1 1-1 axis=i! new_axis=i",
  Constant:
    "1 0-0 1-1 value=t!; 9 0-0 1-1 value=t!; 11 0-0 1-1 sparse_value=x value=t; 12 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S; 13 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S; 19 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S; 21 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S; 23 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S; 24 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S; 25 0-0 1-1 sparse_value=x value=t value_float=f value_floats=F value_int=i value_ints=I value_string=s value_strings=S",
  ConstantOfShape:
    "9 1-1 1-1 value=t; 20 1-1 1-1 value=t; 21 1-1 1-1 value=t; 23 1-1 1-1 value=t; 24 1-1 1-1 value=t; 25 1-1 1-1 value=t",
  Conv: "1 2-3 1-1 auto_pad=s dilations=I group=i kernel_shape=I pads=I strides=I; 11 2-3 1-1 auto_pad=s dilations=I group=i kernel_shape=I pads=I strides=I; 22 2-3 1-1 auto_pad=s dilations=I group=i kernel_shape=I pads=I strides=I",
  ConvInteger: "10 2-4 1-1 auto_pad=s dilations=I group=i kernel_shape=I pads=I strides=I",
  ConvTranspose:
    "1 2-3 1-1 auto_pad=s dilations=I group=i kernel_shape=I output_padding=I output_shape=I pads=I strides=I; 11 2-3 1-1 auto_pad=s dilations=I group=i kernel_shape=I output_padding=I output_shape=I pads=I strides=I; 22 2-3 1-1 auto_pad=s dilations=I group=i kernel_shape=I output_padding=I output_shape=I pads=I strides=I",
  Cos: "7 1-1 1-1; 22 1-1 1-1",
  Cosh: "9 1-1 1-1; 22 1-1 1-1",
  CumProd: "26 2-2 1-1 exclusive=i reverse=i",
  CumSum: "11 2-2 1-1 exclusive=i reverse=i; 14 2-2 1-1 exclusive=i reverse=i",
  DFT: "17 1-2 1-1 axis=i inverse=i onesided=i; 20 1-3 1-1 inverse=i onesided=i",
  DeformConv:
    "19 3-5 1-1 dilations=I group=i kernel_shape=I offset_group=i pads=I strides=I; 22 3-5 1-1 dilations=I group=i kernel_shape=I offset_group=i pads=I strides=I",
  DepthToSpace:
    "1 1-1 1-1 blocksize=i!; 11 1-1 1-1 blocksize=i! mode=s; 13 1-1 1-1 blocksize=i! mode=s; 28 1-1 1-1 blocksize=i! mode=s",
  DequantizeLinear:
    "10 2-3 1-1; 13 2-3 1-1 axis=i; 19 2-3 1-1 axis=i; 21 2-3 1-1 axis=i block_size=i; 23 2-3 1-1 axis=i block_size=i output_dtype=i; 24 2-3 1-1 axis=i block_size=i output_dtype=i; 25 2-3 1-1 axis=i block_size=i output_dtype=i; 28 2-3 1-1 axis=i block_size=i output_dtype=i",
  Det: "11 1-1 1-1; 22 1-1 1-1",
  Div: "1 2-2 1-1 axis=i broadcast=i consumed_inputs=I; 6 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 13 2-2 1-1; 14 2-2 1-1",
  Dropout:
    "1 1-1 1-2 consumed_inputs=I is_test=i ratio=f; 6 1-1 1-2 is_test=i ratio=f; 7 1-1 1-2 ratio=f; 10 1-1 1-2 ratio=f; 12 1-3 1-2 seed=i; 13 1-3 1-2 seed=i; 22 1-3 1-2 seed=i",
  DynamicQuantizeLinear: "11 1-1 3-3",
  Einsum: "12 1-* 1-1 equation=s!; 28 1-* 1-1 equation=s!",
  Elu: "1 1-1 1-1 alpha=f consumed_inputs=I; 6 1-1 1-1 alpha=f; 22 1-1 1-1 alpha=f",
  Equal: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 11 2-2 1-1; 13 2-2 1-1; 19 2-2 1-1",
  Erf: "9 1-1 1-1; 13 1-1 1-1",
  Exp: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  Expand: "8 2-2 1-1; 13 2-2 1-1",
  EyeLike: "9 1-1 1-1 dtype=i k=i; 22 1-1 1-1 dtype=i k=i",
  Flatten:
    "1 1-1 1-1 axis=i; 9 1-1 1-1 axis=i; 11 1-1 1-1 axis=i; 13 1-1 1-1 axis=i; 21 1-1 1-1 axis=i; 23 1-1 1-1 axis=i; 24 1-1 1-1 axis=i; 25 1-1 1-1 axis=i",
  Floor: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  GRU: "1 3-6 2-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i output_sequence=i; 3 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i linear_before_reset=i output_sequence=i; 7 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i linear_before_reset=i; 14 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i layout=i linear_before_reset=i; 22 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i layout=i linear_before_reset=i",
  Gather: "1 2-2 1-1 axis=i; 11 2-2 1-1 axis=i; 13 2-2 1-1 axis=i",
  GatherElements: "11 2-2 1-1 axis=i; 13 2-2 1-1 axis=i",
  GatherND: "11 2-2 1-1; 12 2-2 1-1 batch_dims=i; 13 2-2 1-1 batch_dims=i",
  Gelu: "20 1-1 1-1 approximate=s",
  Gemm: "1 3-3 1-1 alpha=f beta=f broadcast=i transA=i transB=i; 6 3-3 1-1 alpha=f beta=f broadcast=i transA=i transB=i; 7 3-3 1-1 alpha=f beta=f transA=i transB=i; 9 3-3 1-1 alpha=f beta=f transA=i transB=i; 11 2-3 1-1 alpha=f beta=f transA=i transB=i; 13 2-3 1-1 alpha=f beta=f transA=i transB=i",
  GlobalAveragePool: "1 1-1 1-1; 22 1-1 1-1",
  GlobalLpPool: "1 1-1 1-1 p=f; 2 1-1 1-1 p=i; 22 1-1 1-1 p=i",
  GlobalMaxPool: "1 1-1 1-1; 22 1-1 1-1",
  Greater: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 9 2-2 1-1; 13 2-2 1-1",
  GreaterOrEqual: "12 2-2 1-1; 16 2-2 1-1",
  GridSample:
    "16 2-2 1-1 align_corners=i mode=s padding_mode=s; 20 2-2 1-1 align_corners=i mode=s padding_mode=s; 22 2-2 1-1 align_corners=i mode=s padding_mode=s",
  GroupNormalization: "18 -; 21 3-3 1-1 epsilon=f num_groups=i! stash_type=i",
  HammingWindow: "17 1-1 1-1 output_datatype=i periodic=i",
  HannWindow: "17 1-1 1-1 output_datatype=i periodic=i",
  HardSigmoid:
    "1 1-1 1-1 alpha=f beta=f consumed_inputs=I; 6 1-1 1-1 alpha=f beta=f; 22 1-1 1-1 alpha=f beta=f",
  HardSwish: "14 1-1 1-1; 22 1-1 1-1",
  Hardmax: "1 1-1 1-1 axis=i; 11 1-1 1-1 axis=i; 13 1-1 1-1 axis=i",
  Identity:
    "1 1-1 1-1; 13 1-1 1-1; 14 1-1 1-1; 16 1-1 1-1; 19 1-1 1-1; 21 1-1 1-1; 23 1-1 1-1; 24 1-1 1-1; 25 1-1 1-1",
  If: "1 1-1 1-* else_branch=g! then_branch=g!; 11 1-1 1-* else_branch=g! then_branch=g!; 13 1-1 1-* else_branch=g! then_branch=g!; 16 1-1 1-* else_branch=g! then_branch=g!; 19 1-1 1-* else_branch=g! then_branch=g!; 21 1-1 1-* else_branch=g! then_branch=g!; 23 1-1 1-* else_branch=g! then_branch=g!; 24 1-1 1-* else_branch=g! then_branch=g!; 25 1-1 1-* else_branch=g! then_branch=g!",
  ImageDecoder: "20 1-1 1-1 pixel_format=s",
  InstanceNormalization: "1 3-3 1-1 consumed_inputs=I epsilon=f; 6 3-3 1-1 epsilon=f; 22 3-3 1-1 epsilon=f",
  IsInf: "10 1-1 1-1 detect_negative=i detect_positive=i; 20 1-1 1-1 detect_negative=i detect_positive=i",
  IsNaN: "9 1-1 1-1; 13 1-1 1-1; 20 1-1 1-1",
  LRN: "1 1-1 1-1 alpha=f beta=f bias=f size=i!; 13 1-1 1-1 alpha=f beta=f bias=f size=i!",
  LSTM: "1 3-8 0-3 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i input_forget=i output_sequence=i; 7 3-8 0-3 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i input_forget=i; 14 3-8 0-3 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i input_forget=i layout=i; 22 3-8 0-3 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i input_forget=i layout=i",
  LayerNormalization: "17 2-3 1-3 axis=i epsilon=f stash_type=i",
  LeakyRelu: "1 1-1 1-1 alpha=f consumed_inputs=I; 6 1-1 1-1 alpha=f; 16 1-1 1-1 alpha=f",
  Less: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 9 2-2 1-1; 13 2-2 1-1",
  LessOrEqual: "12 2-2 1-1; 16 2-2 1-1",
  LinearAttention: "27 3-6 2-2 chunk_size=i kv_num_heads=i! q_num_heads=i! scale=f update_rule=s",
  Log: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  LogSoftmax: "1 1-1 1-1 axis=i; 11 1-1 1-1 axis=i; 13 1-1 1-1 axis=i",
  Loop: "1 3-* 1-* body=g!; 11 2-* 1-* body=g!; 13 2-* 1-* body=g!; 16 2-* 1-* body=g!; 19 2-* 1-* body=g!; 21 2-* 1-* body=g!; 23 2-* 1-* body=g!; 24 2-* 1-* body=g!; 25 2-* 1-* body=g!",
  LpNormalization: "1 1-1 1-1 axis=i p=i; 22 1-1 1-1 axis=i p=i",
  LpPool:
    "1 1-1 1-1 auto_pad=s kernel_shape=I p=f pads=I strides=I; 2 1-1 1-1 auto_pad=s kernel_shape=I! p=i pads=I strides=I; 11 1-1 1-1 auto_pad=s kernel_shape=I! p=i pads=I strides=I; 18 1-1 1-1 auto_pad=s ceil_mode=i dilations=I kernel_shape=I! p=i pads=I strides=I; 22 1-1 1-1 auto_pad=s ceil_mode=i dilations=I kernel_shape=I! p=i pads=I strides=I",
  MatMul: "1 2-2 1-1; 9 2-2 1-1; 13 2-2 1-1",
  MatMulInteger: "10 2-4 1-1",
  Max: "1 1-* 1-1 consumed_inputs=I; 6 1-* 1-1; 8 1-* 1-1; 12 1-* 1-1; 13 1-* 1-1",
  MaxPool:
    "1 1-1 1-1 auto_pad=s kernel_shape=I! pads=I strides=I; 8 1-1 1-2 auto_pad=s kernel_shape=I! pads=I storage_order=i strides=I; 10 1-1 1-2 auto_pad=s ceil_mode=i dilations=I kernel_shape=I! pads=I storage_order=i strides=I; 11 1-1 1-2 auto_pad=s ceil_mode=i dilations=I kernel_shape=I! pads=I storage_order=i strides=I; 12 1-1 1-2 auto_pad=s ceil_mode=i dilations=I kernel_shape=I! pads=I storage_order=i strides=I; 22 1-1 1-2 auto_pad=s ceil_mode=i dilations=I kernel_shape=I! pads=I storage_order=i strides=I",
  MaxRoiPool: "1 2-2 1-1 pooled_shape=I! spatial_scale=f; 22 2-2 1-1 pooled_shape=I! spatial_scale=f",
  MaxUnpool:
    "9 2-3 1-1 kernel_shape=I! pads=I strides=I; 11 2-3 1-1 kernel_shape=I! pads=I strides=I; 22 2-3 1-1 kernel_shape=I! pads=I strides=I",
  Mean: "1 1-* 1-1 consumed_inputs=I; 6 1-* 1-1; 8 1-* 1-1; 13 1-* 1-1",
  MeanVarianceNormalization: "9 1-1 1-1 axes=I; 13 1-1 1-1 axes=I",
  MelWeightMatrix: "17 5-5 1-1 output_datatype=i",
  Min: "1 1-* 1-1 consumed_inputs=I; 6 1-* 1-1; 8 1-* 1-1; 12 1-* 1-1; 13 1-* 1-1",
  Mish: "18 1-1 1-1; 22 1-1 1-1",
  Mod: "10 2-2 1-1 fmod=i; 13 2-2 1-1 fmod=i; 28 2-2 1-1 fmod=i",
  Mul: "1 2-2 1-1 axis=i broadcast=i consumed_inputs=I; 6 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 13 2-2 1-1; 14 2-2 1-1",
  Multinomial: "7 1-1 1-1 dtype=i sample_size=i seed=f; 22 1-1 1-1 dtype=i sample_size=i seed=f",
  Neg: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  NegativeLogLikelihoodLoss:
    "12 2-3 1-1 ignore_index=i reduction=s; 13 2-3 1-1 ignore_index=i reduction=s; 22 2-3 1-1 ignore_index=i reduction=s",
  NonMaxSuppression: "10 2-5 1-1 center_point_box=i; 11 2-5 1-1 center_point_box=i",
  NonZero: "9 1-1 1-1; 13 1-1 1-1",
  Not: "1 1-1 1-1",
  OneHot: "9 3-3 1-1 axis=i; 11 3-3 1-1 axis=i; 28 3-3 1-1 axis=i",
  Optional: "15 0-1 1-1 type=p; 28 0-1 1-1 type=p",
  OptionalGetElement: "15 1-1 1-1; 18 1-1 1-1; 28 1-1 1-1",
  OptionalHasElement: "15 1-1 1-1; 18 0-1 1-1; 28 0-1 1-1",
  Or: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1",
  PRelu: "1 2-2 1-1 consumed_inputs=I; 6 2-2 1-1; 7 2-2 1-1; 9 2-2 1-1; 16 2-2 1-1",
  Pad: "1 1-1 1-1 mode=s paddings=I! value=f; 2 1-1 1-1 mode=s pads=I! value=f; 11 2-3 1-1 mode=s; 13 2-3 1-1 mode=s; 18 2-4 1-1 mode=s; 19 2-4 1-1 mode=s; 21 2-4 1-1 mode=s; 23 2-4 1-1 mode=s; 24 2-4 1-1 mode=s; 25 2-4 1-1 mode=s",
  Pow: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 12 2-2 1-1; 13 2-2 1-1; 15 2-2 1-1",
  QLinearConv: "10 8-9 1-1 auto_pad=s dilations=I group=i kernel_shape=I pads=I strides=I",
  QLinearMatMul: "10 8-8 1-1; 21 8-8 1-1",
  QuantizeLinear:
    "10 2-3 1-1; 13 2-3 1-1 axis=i; 19 2-3 1-1 axis=i saturate=i; 21 2-3 1-1 axis=i block_size=i output_dtype=i saturate=i; 23 2-3 1-1 axis=i block_size=i output_dtype=i precision=i saturate=i; 24 2-3 1-1 axis=i block_size=i output_dtype=i precision=i saturate=i; 25 2-3 1-1 axis=i block_size=i output_dtype=i precision=i saturate=i; 28 2-3 1-1 axis=i block_size=i output_dtype=i precision=i saturate=i",
  RMSNormalization: "23 2-2 1-1 axis=i epsilon=f stash_type=i",
  RNN: "1 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i output_sequence=i; 7 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i; 14 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i layout=i; 22 3-6 0-2 activation_alpha=F activation_beta=F activations=S clip=f direction=s hidden_size=i layout=i",
  RandomNormal:
    "1 0-0 1-1 dtype=i mean=f scale=f seed=f shape=I!; 22 0-0 1-1 dtype=i mean=f scale=f seed=f shape=I!",
  RandomNormalLike: "1 1-1 1-1 dtype=i mean=f scale=f seed=f; 22 1-1 1-1 dtype=i mean=f scale=f seed=f",
  RandomUniform:
    "1 0-0 1-1 dtype=i high=f low=f seed=f shape=I!; 22 0-0 1-1 dtype=i high=f low=f seed=f shape=I!",
  RandomUniformLike: "1 1-1 1-1 dtype=i high=f low=f seed=f; 22 1-1 1-1 dtype=i high=f low=f seed=f",
  Range: "11 3-3 1-1; 27 3-3 1-1 stash_type=i",
  Reciprocal: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  ReduceL1:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceL2:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceLogSum:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i; 28 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceLogSumExp:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i; 28 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceMax:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 12 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i; 20 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceMean:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceMin:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 12 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i; 20 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceProd:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceSum:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  ReduceSumSquare:
    "1 1-1 1-1 axes=I keepdims=i; 11 1-1 1-1 axes=I keepdims=i; 13 1-1 1-1 axes=I keepdims=i; 18 1-2 1-1 keepdims=i noop_with_empty_axes=i",
  RegexFullMatch: "20 1-1 1-1 pattern=s",
  Relu: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1; 14 1-1 1-1",
  Reshape:
    "1 1-1 1-1 consumed_inputs=I shape=I; 5 2-2 1-1; 13 2-2 1-1; 14 2-2 1-1 allowzero=i; 19 2-2 1-1 allowzero=i; 21 2-2 1-1 allowzero=i; 23 2-2 1-1 allowzero=i; 24 2-2 1-1 allowzero=i; 25 2-2 1-1 allowzero=i",
  Resize:
    "10 2-2 1-1 mode=s; 11 3-4 1-1 coordinate_transformation_mode=s cubic_coeff_a=f exclude_outside=i extrapolation_value=f mode=s nearest_mode=s; 13 1-4 1-1 coordinate_transformation_mode=s cubic_coeff_a=f exclude_outside=i extrapolation_value=f mode=s nearest_mode=s; 18 1-4 1-1 antialias=i axes=I coordinate_transformation_mode=s cubic_coeff_a=f exclude_outside=i extrapolation_value=f keep_aspect_ratio_policy=s mode=s nearest_mode=s; 19 1-4 1-1 antialias=i axes=I coordinate_transformation_mode=s cubic_coeff_a=f exclude_outside=i extrapolation_value=f keep_aspect_ratio_policy=s mode=s nearest_mode=s",
  ReverseSequence: "10 2-2 1-1 batch_axis=i time_axis=i; 28 2-2 1-1 batch_axis=i time_axis=i",
  RoiAlign:
    "10 3-3 1-1 mode=s output_height=i output_width=i sampling_ratio=i spatial_scale=f; 16 3-3 1-1 coordinate_transformation_mode=s mode=s output_height=i output_width=i sampling_ratio=i spatial_scale=f; 22 3-3 1-1 coordinate_transformation_mode=s mode=s output_height=i output_width=i sampling_ratio=i spatial_scale=f",
  RotaryEmbedding: "23 3-4 1-1 interleaved=i num_heads=i rotary_embedding_dim=i",
  Round: "11 1-1 1-1; 22 1-1 1-1",
  STFT: "17 2-4 1-1 onesided=i",
  Scan: "8 2-* 1-* body=g! directions=I num_scan_inputs=i!; 9 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 11 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 16 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 19 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 21 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 23 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 24 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I; 25 1-* 1-* body=g! num_scan_inputs=i! scan_input_axes=I scan_input_directions=I scan_output_axes=I scan_output_directions=I",
  Scatter: "9 3-3 1-1 axis=i; 11 -",
  ScatterElements:
    "11 3-3 1-1 axis=i; 13 3-3 1-1 axis=i; 16 3-3 1-1 axis=i reduction=s; 18 3-3 1-1 axis=i reduction=s",
  ScatterND: "11 3-3 1-1; 13 3-3 1-1; 16 3-3 1-1 reduction=s; 18 3-3 1-1 reduction=s",
  Selu: "1 1-1 1-1 alpha=f consumed_inputs=I gamma=f; 6 1-1 1-1 alpha=f gamma=f; 22 1-1 1-1 alpha=f gamma=f",
  SequenceAt: "11 2-2 1-1",
  SequenceConstruct: "11 1-* 1-1",
  SequenceEmpty: "11 0-0 1-1 dtype=i",
  SequenceErase: "11 1-2 1-1",
  SequenceInsert: "11 2-3 1-1",
  SequenceLength: "11 1-1 1-1",
  SequenceMap: "17 1-* 1-* body=g!",
  Shape:
    "1 1-1 1-1; 13 1-1 1-1; 15 1-1 1-1 end=i start=i; 19 1-1 1-1 end=i start=i; 21 1-1 1-1 end=i start=i; 23 1-1 1-1 end=i start=i; 24 1-1 1-1 end=i start=i; 25 1-1 1-1 end=i start=i",
  Shrink: "9 1-1 1-1 bias=f lambd=f",
  Sigmoid: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  Sign: "9 1-1 1-1; 13 1-1 1-1",
  Sin: "7 1-1 1-1; 22 1-1 1-1",
  Sinh: "9 1-1 1-1; 22 1-1 1-1",
  Size: "1 1-1 1-1; 13 1-1 1-1; 19 1-1 1-1; 21 1-1 1-1; 23 1-1 1-1; 24 1-1 1-1; 25 1-1 1-1",
  Slice: "1 1-1 1-1 axes=I ends=I! starts=I!; 10 3-5 1-1; 11 3-5 1-1; 13 3-5 1-1",
  Softmax: "1 1-1 1-1 axis=i; 11 1-1 1-1 axis=i; 13 1-1 1-1 axis=i",
  SoftmaxCrossEntropyLoss: "12 2-3 1-2 ignore_index=i reduction=s; 13 2-3 1-2 ignore_index=i reduction=s",
  Softplus: "1 1-1 1-1; 22 1-1 1-1",
  Softsign: "1 1-1 1-1; 22 1-1 1-1",
  SpaceToDepth: "1 1-1 1-1 blocksize=i!; 13 1-1 1-1 blocksize=i!; 28 1-1 1-1 blocksize=i! mode=s",
  Split:
    "1 1-2 1-* axis=i split=I; 2 1-1 1-* axis=i split=I; 11 1-1 1-* axis=i split=I; 13 1-2 1-* axis=i; 18 1-2 1-* axis=i num_outputs=i",
  SplitToSequence: "11 1-2 1-1 axis=i keepdims=i; 24 1-2 1-1 axis=i keepdims=i",
  Sqrt: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  Squeeze: "1 1-1 1-1 axes=I; 11 1-1 1-1 axes=I; 13 1-2 1-1; 21 1-2 1-1; 23 1-2 1-1; 24 1-2 1-1; 25 1-2 1-1",
  StringConcat: "20 2-2 1-1",
  StringNormalizer: "10 1-1 1-1 case_change_action=s is_case_sensitive=i locale=s stopwords=S",
  StringSplit: "20 1-1 2-2 delimiter=s maxsplit=i",
  Sub: "1 2-2 1-1 axis=i broadcast=i consumed_inputs=I; 6 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1; 13 2-2 1-1; 14 2-2 1-1",
  Sum: "1 1-* 1-1 consumed_inputs=I; 6 1-* 1-1; 8 1-* 1-1; 13 1-* 1-1",
  SwiGLU: "28 2-2 1-1 alpha=f",
  Swish: "24 1-1 1-1 alpha=f",
  Tan: "7 1-1 1-1; 22 1-1 1-1",
  Tanh: "1 1-1 1-1 consumed_inputs=I; 6 1-1 1-1; 13 1-1 1-1",
  TensorScatter: "24 2-3 1-1 axis=i mode=s",
  TfIdfVectorizer:
    "9 1-1 1-1 max_gram_length=i! max_skip_count=i! min_gram_length=i! mode=s! ngram_counts=I! ngram_indexes=I! pool_int64s=I pool_strings=S weights=F",
  ThresholdedRelu: "10 1-1 1-1 alpha=f; 22 1-1 1-1 alpha=f",
  Tile: "1 3-3 1-1; 6 2-2 1-1; 13 2-2 1-1",
  TopK: "1 1-1 2-2 axis=i k=i!; 10 2-2 2-2 axis=i; 11 2-2 2-2 axis=i largest=i sorted=i; 24 2-2 2-2 axis=i largest=i sorted=i",
  Transpose:
    "1 1-1 1-1 perm=I; 13 1-1 1-1 perm=I; 21 1-1 1-1 perm=I; 23 1-1 1-1 perm=I; 24 1-1 1-1 perm=I; 25 1-1 1-1 perm=I",
  Trilu: "14 1-2 1-1 upper=i",
  Unique: "11 1-1 1-4 axis=i sorted=i; 28 1-1 1-4 axis=i sorted=i",
  Unsqueeze:
    "1 1-1 1-1 axes=I!; 11 1-1 1-1 axes=I!; 13 2-2 1-1; 21 2-2 1-1; 23 2-2 1-1; 24 2-2 1-1; 25 2-2 1-1",
  Upsample:
    "1 1-1 1-1 height_scale=f! mode=s width_scale=f!; 7 1-1 1-1 mode=s scales=F!; 9 2-2 1-1 mode=s; 10 -",
  Where: "9 3-3 1-1; 16 3-3 1-1",
  Xor: "1 2-2 1-1 axis=i broadcast=i; 7 2-2 1-1",
};

/** The newest that the checks know. */
export const NEWEST_OPSET = 28;
export const NEWEST_IR = 14;
