import type { Model } from "../ir/model.ts";

/** Finds something out about a model and changes nothing. */
export type Analysis<T> = (model: Model) => T;

/** What is known about a model. Each analysis is made when first asked for, and kept until the model changes. */
export class Analyses {
  readonly #model: Model;
  readonly #results = new Map<Analysis<unknown>, unknown>();

  constructor(model: Model) {
    this.#model = model;
  }

  get<T>(analysis: Analysis<T>): T {
    if (!this.#results.has(analysis)) this.#results.set(analysis, analysis(this.#model));
    return this.#results.get(analysis) as T;
  }

  /** Forgets everything: the model has changed. */
  drop(): void {
    this.#results.clear();
  }
}
