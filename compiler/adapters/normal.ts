/**
 * The number below which a standard normal number lies with probability p, 0 < p < 1, by P. J. Acklam's rational
 * approximation: its relative error is below 1.2e-9, far below what 16-bit numbers tell apart.
 */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < 0.02425) return tail(Math.sqrt(-2 * Math.log(p)));
  return middle(p - 0.5);
}

// Written out, highest power first: a table of 32,768 numbers is made before an engine has optimized a loop.

function middle(q: number): number {
  const r = q * q;
  let above = -3.969683028665376e1;
  above = above * r + 2.209460984245205e2;
  above = above * r - 2.759285104469687e2;
  above = above * r + 1.38357751867269e2;
  above = above * r - 3.066479806614716e1;
  above = above * r + 2.506628277459239;
  let below = -5.447609879822406e1;
  below = below * r + 1.615858368580409e2;
  below = below * r - 1.556989798598866e2;
  below = below * r + 6.680131188771972e1;
  below = below * r - 1.328068155288572e1;
  below = below * r + 1;
  return (q * above) / below;
}

function tail(q: number): number {
  let above = -7.784894002430293e-3;
  above = above * q - 3.223964580411365e-1;
  above = above * q - 2.400758277161838;
  above = above * q - 2.549732539343734;
  above = above * q + 4.374664141464968;
  above = above * q + 2.938163982698783;
  let below = 7.784695709041462e-3;
  below = below * q + 3.224671290700398e-1;
  below = below * q + 2.445134137142996;
  below = below * q + 3.754408661907416;
  below = below * q + 1;
  return above / below;
}
