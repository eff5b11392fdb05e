import { random } from "../../session/random.ts";

/** The numbers below `count` in an order that a seed and a name determine. */
export function shuffled(count: number, seed: number, name: string): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const stream = random(seed, name);
  for (let i = count - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    const [a = 0, b = 0] = [order[i], order[j]];
    order[i] = b;
    order[j] = a;
  }
  return order;
}
