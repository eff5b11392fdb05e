/** How many steps docs/supported-models.md speaks of. */
export const STEPS: number;

/** The losses of some steps on one batch, with fresh adapters. @param folder where the training graph goes */
export function lossesOf(file: string, folder: string, steps: number): Promise<readonly number[]>;

/** What a table says of losses. */
export function trainsText(losses: readonly number[]): string;
