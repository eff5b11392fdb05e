import { inputError } from "../../diagnostics/error.ts";
import { encodeNumbers } from "../convert.ts";
import { quantizeMatrix, type FloatMatrix } from "./matrix.ts";
import type { QuantizedMatrix } from "./row-quantizer.ts";
import type { BlockSettings } from "./settings.ts";

/** A matrix of a model's weights, by the name that messages give it. */
export interface NamedMatrix extends FloatMatrix {
  readonly file: string;
  readonly name: string;
}

/** The bytes of the tensors that a matrix becomes, each made when it is asked for. */
export interface QuantizedBytes {
  readonly packed: () => Uint8Array;
  /** In the reader's element type. */
  readonly scales: () => Uint8Array;
  readonly zeroPoints: () => Uint8Array;
}

/**
 * Quantizes matrices of one model. What was made of the last one is kept: its tensors are asked for one after another,
 * as they lie in a file.
 */
export class Quantizing {
  readonly #settings: BlockSettings;
  #last: { readonly matrix: NamedMatrix; readonly made: QuantizedMatrix } | null = null;

  constructor(settings: BlockSettings) {
    this.#settings = settings;
  }

  bytesOf(matrix: NamedMatrix): QuantizedBytes {
    return {
      packed: () => this.of(matrix).packed,
      scales: () => encodeNumbers(this.of(matrix).scales, matrix.dtype),
      zeroPoints: () => this.of(matrix).zeroPoints ?? new Uint8Array(0),
    };
  }

  /** @throws TfcError QUANTIZE_NOT_FINITE */
  of(matrix: NamedMatrix): QuantizedMatrix {
    if (this.#last?.matrix === matrix) return this.#last.made;
    this.#last = null;
    const made = quantizeMatrix(matrix, this.#settings);
    if (made === null) {
      const { file, name } = matrix;
      throw inputError("QUANTIZE_NOT_FINITE", { file, name }, { symmetric: this.#settings.symmetric });
    }
    this.#last = { matrix, made };
    return made;
  }
}
