import type { Command } from "commander";
import { emits, memories } from "../ops/training.ts";
import { PROJECTIONS } from "../sites/selector.ts";
import { blockKinds, projectionKinds } from "../sites/site.ts";
import { offer } from "./flags.ts";

export const FROM_SCRATCH_HELP =
  "weights of --train-base begin as random numbers, as in a model that nobody has trained";

export const DROPOUT_HELP = "the share of what goes into LoRA that is dropped (default: 0)";

/** Flags of `compile` about a training graph. */
export function addTraining(command: Command): void {
  command
    .option(
      "--train",
      "make the graph a training step: token ids, mask, labels and parameters in, loss and updated parameters out",
    )
    .option("--emit <what>", `with --train, what it gives: ${emits.join(", ")} (default: update)`)
    .option(
      "--memory <mode>",
      `with --train, what the forward keeps for the backward: ${memories.join(", ")} (default: by the model's sizes)`,
    )
    .option(
      "--train-base <list>",
      "with --train, weights of the base that are trained, too: norms, embed_tokens, lm_head, biases, router, experts, all, or sites",
    )
    .option("--from-scratch", FROM_SCRATCH_HELP)
    .option("--dropout <share>", `with --train, ${DROPOUT_HELP}`)
    .option("--accumulate", "with --train, sum gradients over several batches before an update");
  offer(command, { "--emit": emits, "--memory": memories });
  offer(command, { "--train-base": trainableWords }, true);
}

/** Words for weights of the base that can be trained. */
export const trainableWords: readonly string[] = [
  ...["norms", "embed_tokens", "lm_head", "biases", "router", "experts", "all"],
  ...blockKinds,
  PROJECTIONS,
  ...projectionKinds,
];
