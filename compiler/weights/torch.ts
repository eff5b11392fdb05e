/** PyTorch checkpoints: what `torch.save` writes and `torch.load` reads. */
export { isTorchFile, readTorch } from "./torch-read.ts";
export { isDict, isWeight, OrderedDict, type TorchLeaf, type TorchValue } from "./torch-value.ts";
export { writeTorch } from "./torch-write.ts";
