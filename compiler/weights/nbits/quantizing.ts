import { inputError, type TfcError } from "../../diagnostics/error.ts";
import { encodeNumbers } from "../convert.ts";
import { quantizeMatrix, type FloatMatrix } from "./matrix.ts";
import type { QuantizedMatrix, Unquantizable } from "./row-quantizer.ts";
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

  /** @throws TfcError QUANTIZE_NOT_FINITE, QUANTIZE_RANGE */
  of(matrix: NamedMatrix): QuantizedMatrix {
    if (this.#last?.matrix === matrix) return this.#last.made;
    this.#last = null;
    const made = quantizeMatrix(matrix, this.#settings);
    if ("output" in made) throw refused(matrix, made);
    this.#last = { matrix, made };
    return made;
  }
}

/** Says where it is in the matrix as it is stored. */
function refused({ file, name, isInFirst, dtype }: NamedMatrix, unfit: Unquantizable): TfcError {
  const { output, input } = unfit;
  const at = isInFirst ? [input, output] : [output, input];
  if ("value" in unfit)
    return inputError("QUANTIZE_NOT_FINITE", { file, name }, { value: unfit.value, at, dtype });
  const { least, most } = unfit;
  return inputError("QUANTIZE_RANGE", { file, name }, { least, most, at });
}
