/** Made by scripts/make-kernels.py; not to be edited. The script says how to read it. */
export const ONNXRUNTIME_VERSION = "1.30.0";

/** What letters stand for. */
export const typeLetters =
  "f float h float16 b bfloat16 d double l int64 i int32 s int16 c int8 L uint64 I uint32 S uint16 C uint8 B bool t string 1 float8e4m3fn 2 float8e4m3fnuz 3 float8e5m2 4 float8e5m2fnuz 5 float4e2m1 6 int4 7 uint4 8 int2 9 uint2 x complex64 X complex128 0 float8e8m0";

/** Sets of types, as letters, by number. */
export const typeSets =
  "CILScdfils CILScils dfh CILSbcils f dfil IL CScdfils ILil b df l B Ccdfil Bf h Bh Bb bdfh d CILSbcdfhils CIL il 12346789BCILSbcdfhilst 012346789BCILSbcdfhilst BCILScdfhils 135BCILSbcdfhils Ccdfhils BILSb 13cdfh Cils BILScdfh 13b 5 CILcdfhil CLcdfhl BCILSbcdfhilst BCILSbcdfhils q 1234BCILSbcdfhils Cc i bdf ILdfil ILdfhil Ccdf Cci 1Cci fh 234 167CScis 23 4 1236789CScis 13Cc 1367Cc C Bfil BCILScfils BCILScfilst Bi BILdfhi BILdfhil BCILScdfhilst Ldfil Bdfhl Bbdfhl bfh BCILSbcdfhilqst BCILSbcdfhiloqst 1234BCILSbcdfhiloqst BCILSbcdfhilqs 1234BCILSbcdfhilqs 1234BCILSbcdfhilqst 1234bdfh c ILbdfhil CILScdfhils cdfils cils bcils BCfil BCfhil fi fl lt fhl o CILcdfil BCILcdfil Bdfh dfhil bdfhil 12Cc 34 1267CScs 123467CScs 12346789CScs dfils dfhi BCcdfil Ccdfhil bdfhi t cdfi 1234BCILSbcdfhilst Ccfi Cdfhi BCILScdfilst Bdfhilt ilt Ccdfils Cbcdfhils 123467BCILSbcdfhilst Bdfil cdflt Cdfilt Cdfhil Cbdfhil I 67CScis 67C 13bfh Ccf Cch bc bh 1C ch 1 s Cf Ch Cb bf ILdfilt Ii cf 01b 01h 67CScs dfl";

/** Ops by name, a line each. */
export const opKernels = `Abs | 1,6,13:T>T | 6-13:T=0 | 6-12:T=1; 6-13:T=2; 13-13:T=3 |
Acos | 7,22:T>T | 7-22:T=4 |  |
Acosh | 9,22:T>T | 9-22:T=4 |  |
Add | 1,6,7,13,14:T,T>T | 7-13:T=5; 7-14:T=6; 14-14:T=7 | 7-13:T=8; 7-14:T=2; 13-14:T=9; 14-14:T=1 |
Affine | 1,10:T>T | 1-1:T=4 | 1-1:T=2 |
AffineGrid | 20:T1,T2>T1 | 20-20:T1=10 T2=11 |  |
And | 1,7:T,T>T1 | 7-7:T=12 T1=12 | 7-7:T=12 T1=12 |
ArgMax | 1,11,12,13:T>=l | 1-13:T=13 | 1-13:T=2 |
ArgMin | 1,11,12,13:T>=l | 1-13:T=13 | 1-13:T=2 |
Asin | 7,22:T>T | 7-22:T=4 |  |
Asinh | 9,22:T>T | 9-22:T=4 |  |
Atan | 7,22:T>T | 7-22:T=4 |  |
Atanh | 9,22:T>T | 9-22:T=4 |  |
Attention | 23:T1,T1,T2,U,T1,T2>T1,T1,T2,T1; 24:T1,T1,T2,U,T1,T2,=l>T1,T1,T2,T1 | 23-24:T1=4 T2=4 U=14; 23-24:T1=15 T2=15 U=16 | 23-24:T1=9 T2=9 U=17; 23-24:T1=4 T2=4 U=14; 23-24:T1=15 T2=15 U=16 |
AveragePool | 1,7,10,11,19,22:T>T | 7-22:T=4 | 7-21:T=2; 22-22:T=18 |
BatchNormalization | 1,6,7,9:T,T,T,T,T>T,T,T,T,T; 14:T,T,T,U,U>T,U,U; 15:T,T1,T1,T2,T2>T,T2,T2 | 7-13:T=10; 14-14:T=19 U=19; 14-14:T=4 U=4; 15-15:T=19 T1=19 T2=19; 15-15:T=4 T1=4 T2=4 | 7-13:T=2; 14-14:T=19 U=19; 14-14:T=4 U=4; 14-14:T=15 U=15; 15-15:T=19 T1=19 T2=19; 15-15:T=4 T1=4 T2=4; 15-15:T=15 T1=15 T2=15 |
Bernoulli | 15,22:T1>T2 |  |  |
BitCast | 26:T1>T2 | 26-26:T1=20 T2=20 |  |
BitShift | 11:T,T>T | 11-11:T=21 |  |
BitwiseAnd | 18:T,T>T | 18-18:T=1 |  |
BitwiseNot | 18:T>T | 18-18:T=1 |  |
BitwiseOr | 18:T,T>T | 18-18:T=1 |  |
BitwiseXor | 18:T,T>T | 18-18:T=1 |  |
BlackmanWindow | 17:T1>T2 | 17-17:T1=22 T2=0 |  |
Cast | 1,6,9,13,19,21,23,24,25:T1>T2 | 6-23:T1=23 T2=23; 24-25:T1=24 T2=24 | 6-12:T1=25 T2=26; 13-18:T1=27 T2=26; 13-20:T1=28 T2=26; 19-20:T1=29 T2=26; 19-22:T1=30 T2=26; 21-22:T1=31 T2=26; 21-25:T1=32 T2=26; 23-25:T1=33 T2=4; 23-25:T1=25 T2=26 |
CastLike | 15,19,21,23,24,25:T1,T2>T2 |  |  |
CausalConvWithState | 27:T,T,T,T>T,T |  |  |
Ceil | 1,6,13:T>T | 6-13:T=10 | 6-13:T=2 |
Celu | 12:T>T | 12-12:T=4 |  |
CenterCropPad | 18:T,Tind>T |  |  |
Clip | 1,6:T>T; 11,12,13:T,T,T>T | 6-11:T=4; 12-13:T=34 | 6-11:T=4; 12-13:T=35 |
Col2Im | 18:T,=l,=l>T | 18-18:T=4 |  |
Compress | 9,11:T,T1>T | 9-11:T=36 T1=12 | 9-11:T=37 T1=12 |
Concat | 1,4,11,13:T*>T | 4-13:T=36 | 4-13:T=37 |
ConcatFromSequence | 11:S>T | 11-11:S=38 | 11-11:S=38 |
Constant | 1,9,11,12,13,19,21,23,24,25:>T |  |  |
ConstantOfShape | 9,20,21,23,24,25:T1>T2 | 9-19:T1=11 T2=37; 20-25:T1=11 T2=39 | 9-25:T1=11 T2=37 | 0>
Conv | 1,11,22:T,T,T>T | 1-22:T=4 | 1-21:T=2; 22-22:T=18 |
ConvInteger | 10:T1,T2,T1,T2>T3 | 10-10:T1=40 T2=40 T3=41 |  |
ConvTranspose | 1,11,22:T,T,T>T | 1-22:T=4 | 1-22:T=2 |
Cos | 7,22:T>T | 7-22:T=10 | 7-21:T=10; 7-22:T=15; 22-22:T=42 |
Cosh | 9,22:T>T | 9-22:T=4 |  |
Crop | 1,10:T>T | 1-1:T=4 | 1-1:T=2 |
CumProd | 26:T,T2>T | 26-26:T=43 T2=22 |  |
CumSum | 11,14:T,T2>T | 11-14:T=5 T2=22 | 11-13:T=43 T2=22; 14-14:T=44 T2=22 | 1>
DFT | 17:T1,T2>T1; 20:T1,T2,=l>T1 | 17-20:T1=10 T2=22 |  |
DeformConv | 19,22:T,T,T,T,T>T | 19-22:T=10 | 19-21:T=10; 19-22:T=15; 22-22:T=42 |
DepthToSpace | 1,11,13:T>T | 1-10:T=10; 11-13:T=45 | 1-13:T=2 |
DequantizeLinear | 10,13:T,=f,T>=f; 19,21:T1,T2,T1>T2; 23,24,25:T1,T2,T1>T3 | 10-18:T=46; 19-20:T1=47 T2=48; 19-22:T1=49 T2=48; 21-24:T1=50 T2=48; 23-24:T1=51 T2=48; 23-25:T1=52 T2=48; 25-25:T1=53 T2=48 | 10-18:T=40; 19-20:T1=54 T2=48; 21-22:T1=55 T2=48; 23-25:T1=55 T2=4 T3=4; 23-25:T1=55 T2=15 T3=15 |
Det | 11,22:T>T | 11-22:T=4 |  |
DisentangledAttention_TRT | 1:T,T,T>T |  |  |
Div | 1,6,7,13,14:T,T>T | 7-13:T=5; 7-14:T=6; 14-14:T=7 | 7-13:T=8; 7-14:T=2; 13-14:T=9; 14-14:T=1 |
Dropout | 1,6,7:T>T,T; 10:T>T,T1; 12,13,22:T,T1,T2>T,T2 | 7-9:T=2; 10-11:T=2 T1=12; 12-22:T=10 T1=10 T2=12 | 7-9:T=2; 10-11:T=2 T1=12; 12-12:T=2 T1=2 T2=12; 13-13:T=18 T1=18 T2=12 | 1,2>
DynamicQuantizeLinear | 11:T1>T2,=f,T2 | 11-11:T2=56 |  |
DynamicSlice | 1,10:T,Tind,Tind,Tind>T | 1-1:T=36 Tind=22 | 1-1:T=37 Tind=22 | 1,2,3>
EfficientNMS_TRT | 1:T,T,T>=i,T,T,=i |  |  |
Einsum | 12:T*>T | 12-12:T=5 | 12-12:T=2 |
Elu | 1,6,22:T>T | 6-22:T=4 | 6-6:T=2 |
Equal | 1,7,11,13,19:T,T>T1 | 7-10:T=57 T1=12; 7-19:T=19 T1=12; 11-18:T=58 T1=12; 19-19:T=59 T1=12 | 7-10:T=60; 7-12:T=11; 11-12:T=61; 13-19:T=62 T1=12 |
Erf | 9,13:T>T | 9-13:T=4 | 9-12:T=10; 9-13:T=15; 13-13:T=42 |
Exp | 1,6,13:T>T | 6-13:T=10 | 6-12:T=10; 6-13:T=15; 13-13:T=42 |
Expand | 8,13:T,=l>T | 8-13:T=63 | 8-13:T=37 | 1>
EyeLike | 9,22:T1>T2 | 9-22:T1=64 T2=64 | 9-9:T1=64 T2=64 |
Flatten | 1,9,11,13,21,23,24,25:T>T | 1-25:T=36 | 1-25:T=37 |
Floor | 1,6,13:T>T | 6-13:T=10 | 6-13:T=2 |
GRU | 1,3,7,14,22:T,T,T,T,T1,T>T,T | 7-22:T=10 T1=41 | 7-22:T=2 T1=41 |
GRUUnit | 1,10:T,T,T,T>T |  |  |
Gather | 1,11,13:T,Tind>T | 1-13:T=36 Tind=22 | 1-13:T=37 Tind=22 |
GatherElements | 11,13:T,Tind>T | 11-13:T=36 Tind=22 | 11-13:T=37 Tind=22 |
GatherND | 11,12,13:T,=l>T | 11-13:T=36 indices=11 | 11-12:T=65 indices=11; 13-13:T=66 indices=11 |
Gelu | 20:T>T | 20-20:T=4 | 20-20:T=18 |
Gemm | 1,6,7,9,11,13:T,T,T>T | 7-13:T=10 | 7-10:T=2; 11-12:T=48; 11-13:T=19; 13-13:T=67 |
GivenTensorFill | 1,10:T>T |  |  |
GlobalAveragePool | 1,22:T>T | 1-22:T=4 | 1-22:T=2 |
GlobalLpPool | 1,2,22:T>T | 2-2:T=4 |  |
GlobalMaxPool | 1,22:T>T | 1-22:T=4 | 1-22:T=2 |
Greater | 1,7,9,13:T,T>T1 | 7-12:T=10 T1=12; 9-12:T=1 T1=12; 13-13:T=0 T1=12 | 7-12:T=2; 9-12:T=8; 13-13:T=44 T1=12 |
GreaterOrEqual | 12,16:T,T>T1 | 12-16:T=0 T1=12 | 12-16:T=44 T1=12 |
GridSample | 16,20,22:T1,T2>T1 | 16-22:T1=4 T2=4; 20-22:T1=19 T2=19 | 16-22:T1=4 T2=4 |
GroupNormalization | 18,21:T,T,T>T |  |  |
HammingWindow | 17:T1>T2 | 17-17:T1=22 T2=0 |  |
HannWindow | 17:T1>T2 | 17-17:T1=22 T2=0 |  |
HardSigmoid | 1,6,22:T>T | 6-22:T=4 | 6-21:T=10; 6-22:T=15; 22-22:T=42 |
HardSwish | 14,22:T>T |  | 14-21:T=10; 14-22:T=15; 22-22:T=42 |
Hardmax | 1,11,13:T>T | 1-13:T=4 |  |
Identity | 1,13:T>T; 14,16,19,21,23,24,25:V>V | 1-13:T=36; 14-15:V=68; 16-18:V=69; 19-25:V=70 | 1-13:T=37; 14-18:V=71; 19-25:V=72 |
If | 1,11,13,16,19,21,23,24,25:B>V* | 1-12:B=12 V=36; 13-15:B=12 V=68; 16-18:B=12 V=69; 19-25:B=12 V=70 | 1-12:B=12 V=37; 13-18:B=12 V=68; 19-25:B=12 V=73 | 0>
ImageDecoder | 20:T1>T2 |  |  |
ImageScaler | 1,10:T>T | 1-1:T=4 | 1-1:T=2 |
InstanceNormalization | 1,6,22:T,T,T>T | 6-22:T=4 | 6-6:T=2 |
IsInf | 10,20:T1>T2 | 10-19:T1=10 T2=12; 20-20:T1=74 T2=12 | 10-19:T1=10 T2=12; 20-20:T1=74 T2=12 |
IsNaN | 9,13,20:T1>T2 | 9-19:T1=2 T2=12; 20-20:T1=74 T2=12 | 9-12:T1=2 T2=12; 13-19:T1=18 T2=12; 20-20:T1=74 T2=12 |
LRN | 1,13:T>T | 1-13:T=4 | 1-13:T=2 |
LSTM | 1,7,14,22:T,T,T,T,T1,T,T,T>T,T,T | 7-22:T=10 T1=41 | 7-22:T=2 T1=41 |
LayerNormalization | 1:T,V,V>V,U,U; 17:T,T,T>T,U,U | 1-16:T=9 U=4 V=9; 1-16:T=19 U=4 V=19; 1-16:T=4 U=4 V=4; 1-16:T=15 U=4 V=15; 17-17:T=18 U=4 | 1-16:T=9 U=4 V=9; 1-16:T=19 U=19 V=19; 1-16:T=48 U=4 V=48; 17-17:T=18 U=4 |
LeakyRelu | 1,6,16:T>T | 6-16:T=4 | 6-16:T=2 |
Less | 1,7,9,13:T,T>T1 | 7-12:T=10 T1=12; 9-12:T=1 T1=12; 13-13:T=0 T1=12 | 7-12:T=2; 9-12:T=8; 13-13:T=44 T1=12 |
LessOrEqual | 12,16:T,T>T1 | 12-16:T=0 T1=12 | 12-16:T=44 T1=12 |
LinearAttention | 27:T,T,T,S,T,T>T,S |  |  |
Log | 1,6,13:T>T | 6-13:T=10 | 6-13:T=2 |
LogSoftmax | 1,11,13:T>T | 1-13:T=10 | 1-13:T=2 |
Loop | 1,11,13,16,19,21,23,24,25:I,B,V*>V* | 1-12:B=12 I=11 V=36; 13-15:B=12 I=11 V=68; 16-18:B=12 I=11 V=69; 19-25:B=12 I=11 V=70 | 1-12:B=12 I=11 V=37; 13-18:B=12 I=11 V=68; 19-25:B=12 I=11 V=73 | 0,1>
LpNormalization | 1,22:T>T | 1-22:T=10 | 1-21:T=48; 22-22:T=67 |
LpPool | 1,2,11,18,22:T>T | 2-22:T=4 |  |
MatMul | 1,9,13:T,T>T | 1-13:T=10; 9-13:T=8 | 1-12:T=2; 13-13:T=18 |
MatMulInteger | 10:T1,T2,T1,T2>T3 | 10-10:T1=40 T2=40 T3=41 | 10-10:T1=75 T2=75 T3=41 | 2,3>
Max | 1,6,8,12,13:T*>T | 6-7:T=4; 8-11:T=10; 12-13:T=34 | 6-11:T=18; 12-13:T=76 |
MaxPool | 1:T>T; 8,10,11,12,22:T>T,I | 1-7:T=4; 8-11:I=11 T=10; 12-22:I=11 T=45 | 1-7:T=2; 8-12:I=11 T=2; 12-12:I=11 T=40 |
MaxRoiPool | 1,22:T,T>T | 1-1:T=4 |  |
MaxUnpool | 9,11,22:T1,T2,T2>T1 | 9-22:T1=4 T2=11 |  |
Mean | 1,6,8,13:T*>T | 6-13:T=4 |  |
MeanVarianceNormalization | 1,9,13:T>T | 1-13:T=4 |  |
MelWeightMatrix | 17:T1,T1,T1,T2,T2>T3 | 17-17:T1=22 T2=4 T3=0 |  |
MemcpyFromHost | 1:T>T |  |  |
MemcpyToHost | 1:T>T |  |  |
Min | 1,6,8,12,13:T*>T | 6-7:T=4; 8-11:T=10; 12-13:T=34 | 6-11:T=18; 12-13:T=76 |
Mish | 18,22:T>T |  |  |
Mod | 10,13:T,T>T | 10-13:T=77 | 10-12:T=44; 13-13:T=76 |
Mul | 1,6,7,13,14:T,T>T | 7-13:T=5; 7-14:T=6; 14-14:T=7 | 7-13:T=8; 7-14:T=2; 13-14:T=9; 14-14:T=1 |
MultilevelCropAndResize_TRT | 1:T,T,T,T,T>T |  |  |
Multinomial | 7,22:T1>T2 | 7-7:T1=4 T2=22 |  |
Neg | 1,6,13:T>T | 6-13:T=78 | 6-12:T=79; 6-13:T=2; 13-13:T=80 |
NegativeLogLikelihoodLoss | 12,13,22:T,Tind,T>T |  |  |
NonMaxSuppression | 10,11:=f,=f,=l,=f,=f>=l | 10-11: | 10-11: | 2,3,4>
NonZero | 9,13:T>=l | 9-13:T=81 | 9-13:T=82 |
Not | 1:T>T | 1-1:T=12 | 1-1:T=12 |
OneHot | 9,11:T1,T2,T3>T3 | 9-11:T1=83 T2=4 T3=4; 9-11:T1=84 T2=11 T3=85; 9-11:T1=41 T2=41 T3=4; 9-11:T1=11 T2=4 T3=83; 9-11:T1=11 T2=22 T3=4 | 11-11:T1=41 T2=41 T3=48; 11-11:T1=11 T2=11 T3=86 | 1,2>
Optional | 15:V>O | 15-15:O=87 V=68 |  |
OptionalGetElement | 15,18:O>V | 15-17:O=87 V=68; 18-18:O=69 V=68 |  |
OptionalHasElement | 15,18:O>B | 15-17:B=12 O=87; 18-18:B=12 O=69 |  |
Or | 1,7:T,T>T1 | 7-7:T=12 T1=12 | 7-7:T=12 T1=12 |
PRelu | 1,6,7,9,16:T,T>T | 7-16:T=4 | 7-16:T=2 |
Pad | 1,2:T>T; 11,13:T,=l,T>T; 18,19,21,23,24,25:T,=l,T,Tind>T | 2-10:T=10; 11-12:T=88; 13-25:T=89 | 2-12:T=2; 13-25:T=90 | 1,2,3>
ParametricSoftplus | 1,10:T>T | 1-1:T=4 | 1-1:T=2 |
Pow | 1,7:T,T>T; 12,13,15:T,T1>T | 7-11:T=10; 12-15:T=5 T1=5 | 7-11:T=2; 12-12:T=91 T1=91; 13-14:T=92 T1=91; 15-15:T=92 T1=92 |
PyramidROIAlign_TRT | 1:T,T,T,T,T>T |  |  |
QLinearConv | 10:T1,=f,T1,T2,=f,T2,=f,T3,T4>T3 | 10-10:T1=56 T2=40 T3=56 T4=41; 10-10:T1=75 T2=75 T3=75 T4=41 |  |
QLinearMatMul | 10:T1,=f,T1,T2,=f,T2,=f,T3>T3; 21:T1,TS,T1,T2,TS,T2,TS,T3>T3 | 10-20:T1=56 T2=40 T3=56; 10-20:T1=75 T2=75 T3=75; 21-21:T1=56 T2=40 T3=56 TS=4; 21-21:T1=75 T2=75 T3=75 TS=4 |  |
QuantizeLinear | 10,13:T1,=f,T2>T2; 19,21:T1,T1,T2>T2; 23,24,25:T1,T2,T3>T3 | 10-18:T1=4 T2=40; 19-20:T1=48 T2=93; 19-22:T1=48 T2=94; 21-22:T1=48 T2=95; 23-24:T1=48 T2=48 T3=96; 25-25:T1=48 T2=48 T3=97 | 10-18:T1=4 T2=40; 19-20:T1=48 T2=54; 21-22:T1=48 T2=55; 23-25:T1=4 T2=4 T3=55; 23-25:T1=15 T2=15 T3=55 |
RMSNormalization | 23:T,V>V | 23-23:T=19 V=19; 23-23:T=4 V=4; 23-23:T=15 V=15 | 23-23:T=9 V=9; 23-23:T=19 V=19; 23-23:T=48 V=48 |
RNN | 1,7,14,22:T,T,T,T,T1,T>T,T | 7-22:T=4 T1=41 | 7-22:T=2 T1=41 |
RandomNormal | 1,22:>T | 1-1:T=10 | 1-21:T=2; 22-22:T=18 |
RandomNormalLike | 1,22:T1>T2 | 1-1:T1=36 T2=10 | 1-21:T1=36 T2=2; 22-22:T1=36 T2=18 |
RandomUniform | 1,22:>T | 1-1:T=10 | 1-21:T=2; 22-22:T=18 |
RandomUniformLike | 1,22:T1>T2 | 1-1:T1=36 T2=10 | 1-21:T1=36 T2=2; 22-22:T1=36 T2=18 |
Range | 11,27:T,T,T>T | 11-27:T=98 | 11-27:T=98 | 0,1,2>
Reciprocal | 1,6,13:T>T | 6-13:T=10 | 6-13:T=2 |
ReduceL1 | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=99 | 1>
ReduceL2 | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=99 | 1>
ReduceLogSum | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=2 | 1>
ReduceLogSumExp | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=2 | 1>
ReduceMax | 1,11,12,13:T>T; 18,20:T,=l>T | 1-19:T=5; 12-19:T=40; 20-20:T=100 | 1-20:T=101 | 1>
ReduceMean | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=102 | 1>
ReduceMin | 1,11,12,13:T>T; 18,20:T,=l>T | 1-19:T=5; 12-19:T=40; 20-20:T=100 | 1-20:T=101 | 1>
ReduceProd | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=99 | 1>
ReduceSum | 1,11:T>T; 13:T,=l>T | 1-13:T=5 | 1-12:T=99; 1-13:T=11; 13-13:T=102 | 1>
ReduceSumSquare | 1,11,13:T>T; 18:T,=l>T | 1-18:T=5 | 1-18:T=2 | 1>
RegexFullMatch | 20:T1>T2 | 20-20:T1=103 T2=12 |  |
Relu | 1,6,13,14:T>T | 6-13:T=10; 14-14:T=104 | 6-14:T=2; 13-14:T=9 |
Reshape | 1:T>T; 5,13,14,19,21,23,24,25:T,=l>T | 1-4:T=36; 5-20:T=36 shape=11; 21-25:T=105 shape=11 | 1-4:T=37; 5-18:T=37 shape=11; 19-25:T=39 shape=11 | 1>
Resize | 10:T,=f>T; 11,13,18,19:T1,T2,=f,=l>T1 | 10-10:T=106; 11-19:T1=106 | 10-10:T=107; 11-19:T1=107 | 1,2,3>
ReverseSequence | 10:T,=l>T | 10-10:T=36 | 10-10:T=37 |
RoiAlign | 10,16,22:T1,T1,T2>T1 | 10-16:T1=10 T2=11 | 10-21:T1=10 T2=11; 16-22:T1=15 T2=11; 22-22:T1=42 T2=11 |
RotaryEmbedding | 23:T,T,T,M>T | 23-23:M=11 T=48 | 23-23:M=11 T=67 |
Round | 11,22:T>T | 11-22:T=2 | 11-22:T=2 |
STFT | 17:T1,T2,T1,T2>T1 | 17-17:T1=10 T2=22 |  |
Scale | 1,10:T>T | 1-1:T=4 |  |
ScaledTanh | 1,10:T>T | 1-1:T=4 | 1-1:T=2 |
Scan | 8:I,V*>V*; 9,11,16,19,21,23,24,25:V*>V* | 8-8:I=11 V=36; 9-18:V=36; 19-25:V=105 | 8-8:I=11 V=36; 9-18:V=37; 19-25:V=39 |
Scatter | 9,11:T,Tind,T>T | 9-10:T=36 Tind=22 | 9-10:T=37 Tind=22 |
ScatterElements | 11,13,16,18:T,Tind,T>T | 11-18:T=36 Tind=22 | 11-18:T=37 Tind=22 |
ScatterND | 11,13,16,18:T,=l,T>T | 11-18:T=36 | 11-18:T=37 |
Selu | 1,6,22:T>T | 6-22:T=4 | 6-6:T=2 |
SequenceAt | 11:S,I>T | 11-11:I=22 S=38 T=36 | 11-11:I=22 S=38 T=37 |
SequenceConstruct | 11:T*>S | 11-11:S=38 T=36 | 11-11:S=38 T=37 |
SequenceEmpty | 11:>S | 11-11:S=38 | 11-11:S=38 |
SequenceErase | 11:S,I>S | 11-11:I=22 S=38 | 11-11:I=22 S=38 |
SequenceInsert | 11:S,T,I>S | 11-11:I=22 S=38 | 11-11:I=22 S=38 |
SequenceLength | 11:S>I | 11-11:I=11 S=38 | 11-11:I=11 S=38 |
SequenceMap | 17:S,V*>S* |  |  |
Shape | 1,13,15,19,21,23,24,25:T>T1 | 1-20:T=36 T1=11; 21-25:T=105 T1=11 | 1-18:T=37 T1=11; 19-25:T=39 T1=11 | >0
Shrink | 9:T>T | 9-9:T=20 | 9-9:T=77 |
Sigmoid | 1,6,13:T>T | 6-13:T=10 | 6-12:T=10; 6-13:T=15; 13-13:T=42 |
Sign | 9,13:T>T | 9-13:T=20 | 13-13:T=20 |
SimplifiedLayerNormalization | 1:T,V>V,U | 1-1:T=9 U=4 V=9; 1-1:T=19 U=4 V=19; 1-1:T=4 U=4 V=4; 1-1:T=15 U=4 V=15 | 1-1:T=9 U=4 V=9; 1-1:T=19 U=19 V=19; 1-1:T=48 U=4 V=48 |
Sin | 7,22:T>T | 7-22:T=10 | 7-21:T=10; 7-22:T=15; 22-22:T=42 |
Sinh | 9,22:T>T | 9-22:T=4 |  |
Size | 1,13,19,21,23,24,25:T>T1 | 1-25:T=108 T1=11 | 1-25:T=36 T1=11 | >0
Slice | 1:T>T; 10,11,13:T,Tind,Tind,Tind,Tind>T | 1-9:T=36; 10-13:T=36 Tind=22 | 1-9:T=37; 10-13:T=37 Tind=22 | 1,2,3,4>
Softmax | 1,11,13:T>T | 1-13:T=10 | 1-12:T=2; 13-13:T=18 |
SoftmaxCrossEntropyLoss | 12,13:T,Tind,T>T,T |  |  |
Softplus | 1,22:T>T | 1-22:T=4 | 1-21:T=10; 1-22:T=15; 22-22:T=42 |
Softsign | 1,22:T>T | 1-22:T=4 | 1-21:T=10; 1-22:T=15; 22-22:T=42 |
SpaceToDepth | 1,13:T>T | 1-13:T=45 | 1-13:T=2 |
Split | 1:T,T>T*; 2,11:T>T*; 13,18:T,=l>T* | 2-18:T=36 | 2-18:T=37 | 1>
SplitToSequence | 11,24:T,I>S | 11-24:I=22 S=38 T=109 |  |
Sqrt | 1,6,13:T>T | 6-13:T=10 | 6-12:T=10; 6-13:T=15; 13-13:T=42 |
Squeeze | 1,11:T>T; 13,21,23,24,25:T,=l>T | 1-25:T=36 | 1-25:T=37 | 1>
StringConcat | 20:T,T>T | 20-20:T=103 |  |
StringNormalizer | 10:=t>=t | 10-10:X=103 |  |
StringSplit | 20:T1>T2,T3 | 20-20:T1=103 T2=103 T3=11 |  |
Sub | 1,6,7,13,14:T,T>T | 7-13:T=5; 7-14:T=6; 14-14:T=7 | 7-13:T=8; 7-14:T=2; 13-14:T=9; 14-14:T=1 |
Sum | 1,6,8,13:T*>T | 6-13:T=10 | 6-13:T=18 |
Swish | 24:T>T |  |  |
Tan | 7,22:T>T | 7-22:T=4 |  |
Tanh | 1,6,13:T>T | 6-13:T=10 | 6-12:T=10; 6-13:T=15; 13-13:T=42 |
TensorScatter | 24:T,T,=l>T | 24-24:T=37 | 24-24:T=37 |
TfIdfVectorizer | 9:T>T1 | 9-9:T=110 T1=4 |  |
ThresholdedRelu | 1,10,22:T>T | 1-22:T=4 | 1-1:T=2; 10-10:T=2 |
Tile | 1:T,T,T>T; 6,13:T,T1>T | 6-13:T=108 T1=11 | 6-12:T=91 T1=11; 13-13:T=92 T1=11 | 1>
TopK | 1:T>T,I; 10,11,24:T,=l>T,I | 1-10:I=11 T=10; 11-24:I=11 T=111 | 1-9:T=91; 10-10:I=11 T=91; 11-23:I=11 T=27; 24-24:I=11 T=112 | 1>
Transpose | 1,13,21,23,24,25:T>T | 1-20:T=36; 21-24:T=113; 25-25:T=23 | 1-25:T=37 |
Trilu | 14:T,=l>T | 14-14:T=114 | 14-14:T=37 | 1>
Unique | 11:T>T,=l,=l,=l | 11-11:T=115 |  |
Unsqueeze | 1,11:T>T; 13,21,23,24,25:T,=l>T | 1-25:T=36 | 1-25:T=37 | 1>
Upsample | 1,7:T>T; 9,10:T,=f>T | 7-9:T=106 | 7-9:T=107 | 1>
Where | 9,16:B,T,T>T | 9-16:T=116 | 9-15:B=12 T=117; 16-16:B=12 T=118 |
Xor | 1,7:T,T>T1 | 7-7:T=12 T1=12 | 7-7:T=12 T1=12 |
com.microsoft::Attention | 1:T,T,T,M,T,T,M>T,T | 1-1:T=4 | 1-1:T=67 | 6>
com.microsoft::AttnLSTM | 1:T,T,T,T,T1,T,T,T,T,T,T,T,T1,T>T,T,T | 1-1:T=10 T1=41 |  |
com.microsoft::BeamSearch | 1:F,I,I,I,I,T,T,M,M,I,I,I>I,T,T | 1-1:T=4 | 1-1:T=48 |
com.microsoft::BiasAdd | 1:T,T,T>T |  | 1-1:T=48 |
com.microsoft::BiasDropout | 1:T,T,T,T1,T2>T,T2 |  | 1-1:T=18 T1=18 T2=12 | 3,4>
com.microsoft::BiasGelu | 1:T,T>T | 1-1:T=4 | 1-1:T=18 |
com.microsoft::BiasSoftmax | 1:T,T>T |  | 1-1:T=2 |
com.microsoft::BiasSplitGelu | 1:T,T>T |  | 1-1:T=48 |
com.microsoft::BifurcationDetector | 1:T,T,T,T>T,T | 1-1:T=11 |  |
com.microsoft::BitmaskBiasDropout | 1:T,T,T,T1,T2>T,T3 |  | 1-1:T=18 T1=18 T2=12 T3=119 | 3,4>
com.microsoft::BitmaskDropout | 1:T,T1,T2>T,T3 |  | 1-1:T=18 T1=18 T2=12 T3=119 | 1,2>
com.microsoft::CDist | 1:T,T>T | 1-1:T=10 |  |
com.microsoft::CausalConvWithState | 1:T,T,T,T>T,T | 1-1:T=4 | 1-1:T=67 |
com.microsoft::ComplexMul | 1:T,T>T |  | 1-1:T=48 |
com.microsoft::ComplexMulConj | 1:T,T>T |  | 1-1:T=48 |
com.microsoft::ConvTransposeWithDynamicPads | 1:T,T,=l,T>T | 1-1:T=4 | 1-1:T=4 | 2>
com.microsoft::CropAndResize | 1:T1,T1,T2,T2>T1 | 1-1:T1=4 T2=41 |  |
com.microsoft::DecoderAttention | 1:T,T,T,T,T,B,T,T,B,B,B,B>T,T,T |  | 1-1:T=48 |
com.microsoft::DecoderMaskedMultiHeadAttention | 1:T,T,T,M,T,T,T,M,M,M,T>T,T,T,QK | 1-1:T=4 | 1-1:QK=48 T=48 |
com.microsoft::DecoderMaskedSelfAttention | 1:T,T,T,M,T,T,M,M,M>T,T |  | 1-1:T=48 | 6,7>
com.microsoft::DequantizeBFP | 1:T1,T2,T2>T3 |  |  |
com.microsoft::DequantizeLinear | 1:T1,T2,T1>T2 | 1-1:T1=120 T2=4 | 1-1:T1=40 T2=15 |
com.microsoft::DequantizeWithOrder | 1:Q,S>F |  | 1-1:F=48 Q=75 S=4 | 1>
com.microsoft::DynamicQuantizeLSTM | 1:T,T2,T2,T,T1,T,T,T,T,T2,T,T2>T,T,T | 1-1:T=4 T1=41 T2=40 |  |
com.microsoft::DynamicQuantizeMatMul | 1:T1,T2,T1,T2,T1>T1 | 1-1:T1=4 T2=40 |  |
com.microsoft::DynamicTimeWarping | 1:F>I | 1-1:F=4 I=41 | 1-1:F=4 I=41 |
com.microsoft::EPContext | 1:T*>T* |  |  |
com.microsoft::EmbedLayerNormalization | 1:T1,T1,T,T,T,T,T,T1,T1>T,T1,T | 1-1:T=4 | 1-1:T=48 |
com.microsoft::EngramGate | 1:T,T,T,T,T>T | 1-1:T=48 | 1-1:T=67 |
com.microsoft::ExpandDims | 1:T,=i>T | 1-1:T=36 axis=41 |  |
com.microsoft::FastGelu | 1:T,T>T | 1-1:T=4 | 1-1:T=18 |
com.microsoft::FusedConv | 1:T,T,T,T>T | 1-1:T=4 | 1-1:T=4 |
com.microsoft::FusedGemm | 1:T,T,T>T | 1-1:T=4 |  |
com.microsoft::FusedMatMul | 1:T,T>T | 1-1:T=10 | 1-1:T=18 |
com.microsoft::FusedMatMulActivation | 1:T,T>T |  |  |
com.microsoft::GatedAdd | 1:T,T,T>T | 1-1:T=48 | 1-1:T=67 |
com.microsoft::GatedDeltaNet | 1:T,T,T,TI,TS,TS,TS,TS,TS,TI,TI>T,TS,TS |  | 1-1:T=67 TI=41 TS=4 | 10>
com.microsoft::GatedRMSNorm | 1:T,T,T>T | 1-1:T=48 | 1-1:T=67 |
com.microsoft::GatedRelativePositionBias | 1:T,T,T,T,T,T,M>T |  | 1-1:T=48 |
com.microsoft::GatherBlockQuantized | 1:T1,Tind,T2,T1>T2 | 1-1:T1=121 T2=48 Tind=22 | 1-1:T1=121 T2=67 Tind=22 |
com.microsoft::GatherND | 1:T,Tind>T | 1-1:T=36 Tind=22 |  |
com.microsoft::Gelu | 1:T>T | 1-1:T=4 | 1-1:T=18 |
com.microsoft::GemmFastGelu | 1:T,T,T>T |  |  |
com.microsoft::GemmFloat8 | 1:TA,TB,TC,TS,TS,TS>TR |  | 1-1:TA=122 TB=122 TR=122 TS=4 |
com.microsoft::GemmaRotaryEmbedding | 1:U,T,T,T,T>T,T |  | 1-1:T=15 U=4 |
com.microsoft::GreedySearch | 1:I,I,I,T,I,I,I>I | 1-1:T=4 | 1-1:T=48 |
com.microsoft::GridSample | 1:T1,T1>T2 | 1-1:T1=4 T2=4 | 1-1:T1=4 T2=4 |
com.microsoft::GroupNorm | 1:T,M,M>T |  | 1-1:T=48 |
com.microsoft::GroupQueryAttention | 1:T,T,T,T_CACHE,T_CACHE,M,M,T,T,=l,T,T,T_KV_SCALE,T_KV_SCALE,T,T>T,T_CACHE,T_CACHE,T | 1-1:M=41 T=4 T_CACHE=123 T_KV_SCALE=4; 1-1:M=41 T=15 T_CACHE=124 T_KV_SCALE=4 | 1-1:M=41 T=9 T_CACHE=125 T_KV_SCALE=4; 1-1:M=41 T=126 T_CACHE=127 T_KV_SCALE=4; 1-1:M=41 T=15 T_CACHE=128 T_KV_SCALE=4 | 6>
com.microsoft::Inverse | 1:T>T | 1-1:T=2 | 1-1:T=2 |
com.microsoft::Irfft | 1:T>T |  | 1-1:T=2 |
com.microsoft::IsAllFinite | 1:V*>T |  |  |
com.microsoft::LinearAttention | 1:T,T,T,S,T,T>T,S | 1-1:T=4 | 1-1:T=67 |
com.microsoft::LinearAttentionGate | 1:T,TF,TF,T>T,T | 1-1:T=48 TF=4 | 1-1:T=67 TF=4 |
com.microsoft::LongformerAttention | 1:T,T,T,T,T,T,G>T |  | 1-1:T=48 |
com.microsoft::MRotaryEmbedding | 1:T,M,T,T>T | 1-1:M=11 T=48 | 1-1:M=11 T=67 |
com.microsoft::MatMulBlockQuantizedFp4Weight | 1:T,T1,T2,T3,T3,T>T |  | 1-1:T=126 T1=56 T2=56 T3=4 |
com.microsoft::MatMulBlockQuantizedFp8Weight | 1:T,T1,T2,T2,T>T |  | 1-1:T=126 T1=129 T2=4 |
com.microsoft::MatMulBnb4 | 1:T1,T2,T1>T1 | 1-1:T1=4 T2=56 | 1-1:T1=67 T2=56 |
com.microsoft::MatMulFpQ4 | 1:T1,T2,T3>T1 | 1-1:T1=4 T2=56 T3=11 |  |
com.microsoft::MatMulInteger16 | 1:T1,T2>T3 | 1-1:T1=130 T2=130 T3=41 |  |
com.microsoft::MatMulIntegerToFloat | 1:T1,T2,T3,T3,T1,T2,T3>T3 | 1-1:T1=56 T2=40 T3=4; 1-1:T1=75 T2=75 T3=4 |  |
com.microsoft::MatMulNBits | 1:T1,T2,T1,T3,T4,T1>T1 | 1-1:T1=4 T2=56 T3=131 T4=41; 1-1:T1=15 T2=56 T3=132 T4=41 | 1-1:T1=9 T2=56 T3=133; 1-1:T1=4 T2=56 T3=131; 1-1:T1=15 T2=56 T3=132 |
com.microsoft::MatMulNBitsMlp | 1:T1,T1,T1,T2,T1,T1,T2,T1,T1>T1,T1 |  |  |
com.microsoft::MatMulNBitsQkv | 1:T1,T1,T1,T2,T1,T1,T2,T1,T1,T2,T1,T1>T1,T1,T1,T1 |  |  |
com.microsoft::MaxpoolWithMask | 1:T,=i>T | 1-1:T=4 |  |
com.microsoft::MoE | 1:T,T,T,T,T,T,T,T>T | 1-1:T=4 | 1-1:T=67 |
com.microsoft::MulInteger | 1:T,T,T,T>T1 |  |  |
com.microsoft::MultiHeadAttention | 1:T,T,T,T,M,T,T,T,M,M>T,T,T,QK | 1-1:T=4 | 1-1:QK=9 T=134; 1-1:QK=4 T=9; 1-1:QK=48 T=48 |
com.microsoft::MurmurHash3 | 1:T1>T2 | 1-1:T1=135 T2=136 |  |
com.microsoft::NGramHashMapping | 1:M,M,M,M>M,M | 1-1:M=22 | 1-1:M=22 |
com.microsoft::NGramRepeatBlock | 1:Tid,T>T | 1-1:T=4 Tid=11 | 1-1:T=4 Tid=11 |
com.microsoft::NhwcConv | 1:T,T,T>T |  | 1-1:T=48 |
com.microsoft::NhwcFusedConv | 1:T,T,T,T>T |  |  |
com.microsoft::NhwcMaxPool | 1:T>T | 1-1:T=40 |  |
com.microsoft::PackedAttention | 1:T,T,T,M,M,T>T |  | 1-1:T=48 |
com.microsoft::PackedMultiHeadAttention | 1:T,T,T,T,M,M,T>T |  | 1-1:T=48 |
com.microsoft::Pad | 1:T,=l,T>T | 1-1:T=4 |  |
com.microsoft::PagedAttention | 1:T,T,T,T_CACHE,T_CACHE,S,S,S,T,T,S,T,T,T,T_KV_SCALE,T_KV_SCALE,S>T,T_CACHE,T_CACHE |  | 1-1:S=41 T=9 T_CACHE=125 T_KV_SCALE=4; 1-1:S=41 T=126 T_CACHE=127 T_KV_SCALE=4; 1-1:S=41 T=15 T_CACHE=128 T_KV_SCALE=4 |
com.microsoft::QAttention | 1:T1,T2,T3,T3,T3,T4,T1,T2,T3>T3,T3 | 1-1:T1=56 T2=40 T3=4 T4=41 | 1-1:T1=75 T2=75 T3=48 T4=41 | 3,4,6,7>
com.microsoft::QEmbedLayerNormalization | 1:T1,T1,T2,T2,T2,T2,T2,T1,T,T,T,T,T,T2,T2,T2,T2,T2>T,T1 | 1-1:T=4 |  |
com.microsoft::QGemm | 1:TA,T,TA,TB,T,TB,TC,T,TYZ>TY | 1-1:T=4 TA=56 TB=40 TC=41 TY=131 TYZ=56; 1-1:T=4 TA=75 TB=75 TC=41 TY=137 TYZ=75 |  |
com.microsoft::QLinearAdd | 1:T,=f,T,T,=f,T,=f,T>T | 1-1:T=40 |  |
com.microsoft::QLinearAveragePool | 1:T,=f,T,=f,T>T | 1-1: |  |
com.microsoft::QLinearConcat | 1:TF,T8,TV*>T8 | 1-1: |  |
com.microsoft::QLinearConv | 1:T1,=f,T1,T2,=f,T2,=f,T3,T4>T3 | 1-1:T1=56 T2=40 T3=56 T4=41; 1-1:T1=75 T2=75 T3=75 T4=41 |  |
com.microsoft::QLinearGlobalAveragePool | 1:T,=f,T,=f,T>T | 1-1: |  |
com.microsoft::QLinearLeakyRelu | 1:T,=f,T,=f,T>T | 1-1:T=40 |  |
com.microsoft::QLinearMul | 1:T,=f,T,T,=f,T,=f,T>T | 1-1:T=40 |  |
com.microsoft::QLinearReduceMean | 1:T,=f,T,=f,T>T |  |  |
com.microsoft::QLinearSigmoid | 1:T,=f,T,=f,T>T | 1-1:T=40 |  |
com.microsoft::QLinearSoftmax | 1:T,=f,T,=f,T>T | 1-1:T=40 |  |
com.microsoft::QLinearWhere | 1:B,T,TF,T,T,TF,T,TF,T>T | 1-1:T=40 |  |
com.microsoft::QMoE | 1:T,T,T1,T2,T,T1,T2,T,T1,T2,T,T1,T1,T1,T,T4,T4,T4,T4,T2,T2>T | 1-1:T=4 T1=56 T2=4; 1-1:T=15 T1=56 T2=15 | 1-1:T=9 T1=127 T2=138 T4=4; 1-1:T=15 T1=127 T2=139 T4=4 |
com.microsoft::QOrderedAttention | 1:Q,S,S,S,S,Q,Q,Q,S,S,S,S,S,S,S,S,S,G,Q,S>Q |  | 1-1:G=41 Q=75 S=4 |
com.microsoft::QOrderedGelu | 1:Q,S,S>Q |  | 1-1:Q=75 S=4 | 1,2>
com.microsoft::QOrderedLayerNormalization | 1:Q,S,F,F,S>Q |  | 1-1:F=48 Q=75 S=4 | 1,4>
com.microsoft::QOrderedLongformerAttention | 1:Q,S,Q,S,S,S,S,F,Q,S,S,S,G,S>Q |  | 1-1:F=15 G=41 Q=75 S=4 |
com.microsoft::QOrderedMatMul | 1:Q,S,Q,S,S,S,Q,S>Q |  | 1-1:Q=75 S=4 |
com.microsoft::QuantizeBFP | 1:T1>T2,T3,T3 |  |  |
com.microsoft::QuantizeLinear | 1:T1,T1,T2>T2 | 1-1:T1=4 T2=140 | 1-1:T1=15 T2=40 |
com.microsoft::QuantizeWithOrder | 1:F,S>Q |  | 1-1:F=48 Q=75 S=4 | 1>
com.microsoft::QuickGelu | 1:T>T | 1-1:T=4 | 1-1:T=18 |
com.microsoft::Range | 1:T,T,T>T | 1-1:T=98 |  |
com.microsoft::ReduceSumInteger | 1:T1>T2 |  |  |
com.microsoft::RelativePositionBias | 1:T,U,U>T |  | 1-1:T=48 | 1,2>
com.microsoft::RemovePadding | 1:T,M>T,M,M,M |  | 1-1:T=48 | >3
com.microsoft::RestorePadding | 1:T,M>T |  | 1-1:T=48 |
com.microsoft::Rfft | 1:T>T |  | 1-1:T=2 |
com.microsoft::RotaryEmbedding | 1:T,M,T,T>T | 1-1:M=11 T=48 | 1-1:M=11 T=67 |
com.microsoft::SampleOp | 1:T>T | 1-1:T=4 |  |
com.microsoft::Sampling | 1:I,I,I,T,I,I,I,I,I>I,T | 1-1:T=4 | 1-1:T=48 |
com.microsoft::SkipGroupNorm | 1:T,M,M,T,T>T,T |  | 1-1:T=48 |
com.microsoft::SkipLayerNormalization | 1:T,T,T,T,T>T,U,U,T | 1-1:T=18 | 1-1:T=67 |
com.microsoft::SkipSimplifiedLayerNormalization | 1:T,T,T,T>T,U,U,T | 1-1:T=18 | 1-1:T=67 |
com.microsoft::Snpe | 1:T*>T* |  |  |
com.microsoft::SparseAttention | 1:T,T,T,T,T,M,M,M,M,T,T>T,T,T | 1-1:M=41 T=48 | 1-1:M=41 T=126 | 7>
com.microsoft::SparseToDenseMatMul | 1:T,T1>T1 | 1-1:T=43 T1=43 |  |
com.microsoft::Tokenizer | 1:T>T | 1-1:T=103 |  |
com.microsoft::TorchEmbedding | 1:T,=l,=l,=B>T |  |  |
com.microsoft::TransposeMatMul | 1:T,T>T | 1-1:T=4 | 1-1:T=18 |
com.microsoft::Trilu | 1:T,=l>T | 1-1:T=141 | 1-1:T=37 | 1>
com.microsoft::UnfoldTensor | 1:T>T | 1-1:T=36 | 1-1:T=36 |
com.microsoft::Unique | 1:T>T,=l,=l | 1-1:T=4 |  |
com.microsoft::VarlenCausalConvWithState | 1:T,T,M,T,T,M>T,T,T |  | 1-1:M=41 T=67 |
com.microsoft::WhisperBeamSearch | 1:F,I,I,I,I,T,T,M,M,I,I,I,I,I,T>I,T,T,V,T | 1-1:T=4 | 1-1:T=48 |
com.microsoft::WordConvEmbedding | 1:T,T1,T1,T1>T1 | 1-1:T=41 T1=4 |  |`;
