import { internalError } from "../../diagnostics/error.ts";
import { byteSize } from "../../ir/dtype.ts";
import { pickleCheckpoint } from "./pickle-write.ts";
import type { TorchValue } from "./value.ts";
import { ZipWriter } from "./zip-write.ts";
import { sizeOf } from "../weight.ts";

/** Of the format of the archive, as torch.save writes it. */
const VERSION = "3\n";

/**
 * Writes a checkpoint that `torch.load(file, weights_only=True)` of PyTorch 2 loads. A Map becomes a `dict`, an
 * {@link OrderedDict} an `OrderedDict`, an array a `list` (as a key a `tuple`), a number an `int` where it is whole
 * and a `float` elsewhere. A tensor that occurs twice is stored once. Equal values give equal bytes.
 *
 * One tensor at a time is in memory. The file is written in place: a caller that wants it whole or not at all, or
 * whose tensors come from this very file, gives a temporary path and renames it.
 *
 * @throws TfcError FILE_NOT_WRITABLE; TORCH_UNSUPPORTED, with the leaf, for what a checkpoint cannot hold; what
 *   reading a tensor throws
 */
export function writeTorch(file: string, value: TorchValue): void {
  const { pickle, storages, leaves } = pickleCheckpoint(file, value);
  const zip = new ZipWriter(file);
  try {
    zip.add("archive/data.pkl", pickle);
    zip.add("archive/byteorder", Buffer.from("little"));
    for (const [key, tensor] of storages.entries()) {
      const bytes = tensor.bytes();
      const wanted = byteSize(tensor.dtype, sizeOf(tensor)) ?? 0;
      if (bytes.length !== wanted) {
        throw internalError(
          { file, name: leaves.get(tensor) ?? String(key) },
          `a tensor of ${wanted} bytes was given ${bytes.length}`,
        );
      }
      zip.add(`archive/data/${key}`, bytes);
    }
    zip.add("archive/version", Buffer.from(VERSION));
    zip.end();
  } finally {
    zip.close();
  }
}
