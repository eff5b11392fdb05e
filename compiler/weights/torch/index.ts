/** PyTorch checkpoints: what `torch.save` writes and `torch.load` reads. */
export { isTorchFile, readTorch } from "./read.ts";
export { isDict, isWeight, OrderedDict, type TorchLeaf, type TorchValue } from "./value.ts";
export { writeTorch } from "./write.ts";
