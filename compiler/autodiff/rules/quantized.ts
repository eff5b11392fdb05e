import type { RuleRow } from "../rule.ts";
import {
  dynamicQuantizeMatMulRule,
  matMulIntegerRule,
  matMulIntegerToFloatRule,
  qLinearMatMulRule,
} from "./quantized/integers.ts";
import { nBitsRule } from "./quantized/n-bits.ts";
import { dequantizeRule, dynamicQuantizeRule, quantizeRule } from "./quantized/quantize.ts";

/** Products with weights that are stored in few bits and are frozen, and rounding, through which gradients go straight. */
export const quantizedRules: readonly RuleRow[] = [
  ["com.microsoft::MatMulNBits", nBitsRule],
  ["QuantizeLinear", quantizeRule],
  ["DequantizeLinear", dequantizeRule],
  ["DynamicQuantizeLinear", dynamicQuantizeRule],
  ["MatMulInteger", matMulIntegerRule],
  ["QLinearMatMul", qLinearMatMulRule],
  ["com.microsoft::DynamicQuantizeMatMul", dynamicQuantizeMatMulRule],
  ["com.microsoft::MatMulIntegerToFloat", matMulIntegerToFloatRule],
];
