/** Made by scripts/make-webgpu-kernels.py; not to be edited. The script says how to read it. */
export const webgpuKernels = `Abs | 6-6:T=fh; 13-13:T=fh |
Acos | 7-7:T=fh |
Acosh | 9-9:T=fh |
Add | 7-7:T=Ifhi; 13-14:T=Ifhi |
And | 7-7:T=B T1=B |
ArgMax | 1-1:T=Ifhi; 11-13:T=Ifhi |
ArgMin | 1-1:T=Ifhi; 11-13:T=Ifhi |
Asin | 7-7:T=fh |
Asinh | 9-9:T=fh |
Atan | 7-7:T=fh |
Atanh | 9-9:T=fh |
BatchNormalization | 7-7:T=fh; 9-9:T=fh; 14-14:T=fh U=bdfh; 15-15:T=fh T1=bdfh T2=bdfh |
Cast | 6-6:T1=BCIfhi T2=BCILScdfhils; 9-9:T1=BCIfhi T2=BCILScdfhilst; 13-13:T1=BCIfhi T2=BCILSbcdfhilst; 19-19:T1=BCIfhi T2=1234BCILSbcdfhilst; 21-21:T1=BCIfhi T2=123467BCILSbcdfhilst; 23-23:T1=BCIfhi T2=1234567BCILSbcdfhilst; 24-24:T1=BCIfhi T2=01234567BCILSbcdfhilst; 25-25:T1=BCIfhi T2=0123456789BCILSbcdfhilst |
Ceil | 6-6:T=fh; 13-13:T=fh |
Clip | 11-11:T=fh; 12-13:T=Ifhi | 1,2>
Concat | 4-4:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi |
Conv | 1-1:T=fh; 11-11:T=fh; 22-22:T=fh |
ConvTranspose | 1-1:T=fh; 11-11:T=fh |
Cos | 7-7:T=fh |
Cosh | 9-9:T=fh |
CumSum | 11-11:T=Ifi T2=il; 14-14:T=Ifhi T2=il | 1>
DFT | 17-17:T1=fh T2=il; 20-20:T1=fh T2=il | 1,2>
DepthToSpace | 11-11:T=fh; 13-13:T=fh |
DequantizeLinear | 10-10:T=Cci; 13-13:T=Cci; 19-19:T1=Cci T2=fh; 21-21:T1=67Cci T2=fh; 23-23:T1=67Cci T2=fh T3=bfh |
Div | 7-7:T=Ifhi; 13-14:T=Ifhi |
Einsum | 12-12:T=fh |
Elu | 6-6:T=fh |
Equal | 7-7:T=i T1=B; 11-11:T=Ifhi T1=B; 13-13:T=Ifhi T1=B; 19-19:T=Ifhi T1=B |
Erf | 9-9:T=fh; 13-13:T=fh |
Exp | 6-6:T=fh; 13-13:T=fh |
Expand | 8-8:T=BCIfhi; 13-13:T=BCIfhi | 1>
Flatten | 1-1:T=fh; 9-9:T=BIfhi; 11-11:T=BIfhi; 13-13:T=BIfhi; 21-21:T=BIfhi |
Floor | 6-6:T=fh; 13-13:T=fh |
Gather | 1-1:T=BCIfhi Tind=il; 11-11:T=BCIfhi Tind=il; 13-13:T=BCIfhi Tind=il |
GatherElements | 11-11:T=fh Tind=il; 13-13:T=fh Tind=il |
GatherND | 11-13:T=Ifhi |
Gelu | 20-20:T=fh |
Gemm | 7-7:T=fh; 9-9:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi |
GlobalAveragePool | 1-1:T=fh |
GlobalMaxPool | 1-1:T=fh |
Greater | 7-7:T=fh T1=B; 9-9:T=Ifhi T1=B; 13-13:T=Ifhi T1=B |
GreaterOrEqual | 12-12:T=Ifhi T1=B; 16-16:T=Ifhi T1=B |
GridSample | 16-16:T1=fh T2=fh |
HardSigmoid | 6-6:T=fh |
HardSwish | 14-14:T=fh |
Identity | 1-1:T=Ifhi; 13-13:T=Ifhi; 14-14:V=Ifhi; 16-16:V=Ifhi; 19-19:V=Ifhi; 21-21:V=Ifhi; 23-25:V=Ifhi |
If | 11-11:B=B V=BCILSXcdfhilstx; 13-13:B=B V=BCILSXcdfhilstx; 16-16:B=B V=BCILSXbcdfhilstx; 19-19:B=B V=1234BCILSXbcdfhilstx; 21-21:B=B V=123467BCILSXbcdfhilstx | 0>
InstanceNormalization | 6-6:T=fh; 22-22:T=fh |
LayerNormalization | 1-1:T=fh U=df V=bdfh; 17-17:T=fh U=bf |
LeakyRelu | 6-6:T=fh; 16-16:T=fh |
Less | 7-7:T=fh T1=B; 9-9:T=Ifhi T1=B; 13-13:T=Ifhi T1=B |
LessOrEqual | 12-12:T=Ifhi T1=B; 16-16:T=Ifhi T1=B |
Log | 6-6:T=fh; 13-13:T=fh |
LpNormalization | 1-1:T=fh; 22-22:T=fh |
MatMul | 1-1:T=fh; 9-9:T=fh; 13-13:T=fh |
Max | 8-8:T=fh; 12-13:T=Ifhi |
Min | 8-8:T=fh; 12-13:T=Ifhi |
Mul | 7-7:T=Ifhi; 13-14:T=Ifhi |
Neg | 6-6:T=fh; 13-13:T=fh |
Not | 1-1:T=B |
PRelu | 7-7:T=fh; 9-9:T=fh; 16-16:T=fh |
Pad | 2-2:T=fh; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-19:T=Ifhi Tind=il; 21-21:T=Ifhi Tind=il; 23-23:T=Ifhi Tind=il | 1,2,3>
Pow | 7-7:T=fh; 12-13:T=fhi T1=Ifhi; 15-15:T=fhi T1=Ifhi |
RMSNormalization | 23-23:T=fh V=fh |
Range | 11-11:T=fi | 0,1,2>
Reciprocal | 6-6:T=fh; 13-13:T=fh |
ReduceL1 | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
ReduceL2 | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
ReduceLogSum | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
ReduceLogSumExp | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
ReduceMax | 1-1:T=Ifhi; 11-13:T=Ifhi; 18-18:T=Ifhi; 20-20:T=Ifhi | 1>
ReduceMean | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
ReduceMin | 1-1:T=Ifhi; 11-13:T=Ifhi; 18-18:T=Ifhi; 20-20:T=Ifhi | 1>
ReduceProd | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
ReduceSum | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi | 1>
ReduceSumSquare | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
Relu | 6-6:T=fh; 13-14:T=fh |
Reshape | 5-5:T=BCIfhi; 13-14:T=BCIfhi; 19-19:T=BCIfhi; 21-21:T=BCIfhi; 23-25:T=BCIfhi | 1>
Resize | 10-10:T=Ifhi; 11-11:T1=Ifhi T2=dfh; 13-13:T1=Ifhi T2=dfh; 18-19:T1=Ifhi T2=dfh | 1,2,3>
RotaryEmbedding | 23-23:M=l T=fh |
ScatterElements | 11-11:T=Ifhi Tind=il; 13-13:T=Ifhi Tind=il; 16-16:T=Ifhi Tind=il; 18-18:T=Ifhi Tind=il |
ScatterND | 11-11:T=Ifhi; 13-13:T=Ifhi; 16-16:T=Ifhi; 18-18:T=Ifhi |
Shape | 1-1:T=Ifhi T1=l; 13-13:T=Ifhi T1=l; 15-15:T=Ifhi T1=l; 19-19:T=Ifhi T1=l; 21-21:T=Ifhi T1=l; 23-24:T=Ifhi T1=l | >0
Sigmoid | 6-6:T=fh; 13-13:T=fh |
SimplifiedLayerNormalization | 1-1:T=fh U=df V=bdfh |
Sin | 7-7:T=fh |
Sinh | 9-9:T=fh |
Slice | 1-1:T=fh; 10-11:T=fh Tind=il; 13-13:T=fh Tind=il | 1,2,3,4>
Softmax | 1-1:T=fh; 11-11:T=fh; 13-13:T=fh |
Softplus | 1-1:T=fh; 22-22:T=fh |
Split | 2-2:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 18-18:T=Ifhi | 1>
Sqrt | 6-6:T=fh; 13-13:T=fh |
Squeeze | 1-1:T=Ifhi; 11-11:T=Ifhi; 13-13:T=Ifhi; 21-21:T=Ifhi; 23-24:T=Ifhi | 1>
Sub | 7-7:T=Ifhi; 13-14:T=Ifhi |
Tan | 7-7:T=fh |
Tanh | 6-6:T=fh; 13-13:T=fh |
ThresholdedRelu | 10-10:T=fh |
Tile | 6-6:T=Ifhi T1=l; 13-13:T=Ifhi T1=l | 1>
TopK | 1-1:I=l T=fh; 10-11:I=l T=fh; 24-24:I=l T=fh | 1>
Transpose | 1-1:T=Ifhi; 13-13:T=Ifhi; 21-21:T=Ifhi; 23-24:T=Ifhi |
Trilu | 14-14:T=Ifhi | 1>
Unsqueeze | 1-1:T=BIfhi; 11-11:T=BIfhi; 13-13:T=BIfhi; 21-21:T=BIfhi; 23-25:T=BIfhi | 1>
Where | 9-9:B=B T=BIfhi; 16-16:B=B T=BIfhi |
com.microsoft::Attention | 1-1:T=fh |
com.microsoft::BiasAdd | 1-1:T=fh |
com.microsoft::BiasGelu | 1-1:T=fh |
com.microsoft::BiasSplitGelu | 1-1:T=fh |
com.microsoft::CausalConvWithState | 1-1:T=fh |
com.microsoft::EngramGate | 1-1:T=fh |
com.microsoft::FastGelu | 1-1:T=fh |
com.microsoft::FusedConv | 1-1:T=fh |
com.microsoft::GatedAdd | 1-1:T=fh |
com.microsoft::GatedRMSNorm | 1-1:T=fh |
com.microsoft::GatherBlockQuantized | 1-1:T1=67C T2=fh Tind=il |
com.microsoft::Gelu | 1-1:T=fh |
com.microsoft::GroupQueryAttention | 1-1:M=i T=fh T_CACHE=1Cbcfh T_KV_SCALE=f | 6>
com.microsoft::LinearAttention | 1-1:S=bfh T=fh |
com.microsoft::LinearAttentionGate | 1-1:T=fh TF=f |
com.microsoft::MRotaryEmbedding | 1-1:M=l T=fh |
com.microsoft::MatMulBnb4 | 1-1:T1=fh T2=C |
com.microsoft::MatMulNBits | 1-1:T1=fh T2=C |
com.microsoft::MatMulNBitsMlp | 1-1:T1=f T2=C |
com.microsoft::MatMulNBitsQkv | 1-1:T1=fh T2=C |
com.microsoft::MultiHeadAttention | 1-1:T=fh |
com.microsoft::NGramHashMapping | 1-1:M=i |
com.microsoft::PagedAttention | 1-1:S=i T=h T_CACHE=h |
com.microsoft::QMoE | 1-1:T=fh T1=C T2=fh T4=f |
com.microsoft::QuickGelu | 1-1:T=fh |
com.microsoft::RotaryEmbedding | 1-1:M=l T=fh |
com.microsoft::SkipLayerNormalization | 1-1:T=fh U=f |
com.microsoft::SkipSimplifiedLayerNormalization | 1-1:T=fh U=f |`;
