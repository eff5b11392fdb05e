import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { loadTokenizer } from "../../runtime/generate/tokenizer.ts";
import { openSession } from "../../runtime/session/session.ts";
import { temporaryFolder } from "../support/folder.ts";
import { refused } from "../support/refused.ts";
import { moveOut, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();

/** As git-lfs writes it (docs/spec.md of git-lfs). */
const pointer = [
  "version https://git-lfs.github.com/spec/v1",
  "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393",
  "size 4943162336",
  "",
].join("\n");

function put(name: string, text = pointer): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function message(file: string): string {
  return [
    `${file}: error FILE_IS_LFS_POINTER: ${file} is a Git LFS pointer`,
    "  wanted the file of 4943162336 bytes that it stands for, found the lines of text that Git keeps in its place",
    "  fix: run git lfs pull in the repository that it comes from, or download the file itself",
  ].join("\n");
}

const base = writeModel(folder, "base.onnx", tinyDecoder());

describe("a Git LFS pointer is named", () => {
  it.each(["compile", "inspect", "explain", "dump"])("as the model of tfc %s", async (command) => {
    const file = put("model.onnx");
    expect(await refused(folder, command, file)).toBe(`${message(file)}\n`);
  });

  it("as the external data of a model", async () => {
    const model = tinyDecoder();
    moveOut(model, "q_proj", { location: "weights.bin" });
    const file = put("weights.bin");
    const wanted = `${message(file)}\n`;
    expect(await refused(folder, "compile", writeModel(folder, "split.onnx", model))).toBe(wanted);
  });

  it.each(["adapter.safetensors", "checkpoint_10.pt", "adapter.onnx_adapter", "adapter"])(
    "as the adapter file %s",
    async (name) => {
      const file = put(name);
      for (const args of [
        ["compile", base, "--load"],
        ["adapter", "ls"],
        ["grow", "--rank", "9", "-o", "x", "--"],
      ])
        expect(await refused(folder, ...args, file)).toBe(`${message(file)}\n`);
    },
  );

  it.each(["adapter_model.safetensors", "adapter_model.bin", "adapter_config.json"])(
    "as %s of a PEFT folder",
    async (name) => {
      put(`${name}.peft/adapter_config.json`, '{"peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}');
      const file = put(`${name}.peft/${name}`);
      const given = path.dirname(file);
      expect(await refused(folder, "compile", base, "--load", given)).toContain(message(file));
    },
  );

  it("as a checkpoint of a folder", async () => {
    const file = put("scalarlm/checkpoint_2.pt");
    expect(await refused(folder, "compile", base, "--load", path.dirname(file))).toContain(message(file));
  });

  it("as a model and a tokenizer that are run", async () => {
    await expect(openSession(put("run.onnx"))).rejects.toThrow("is a Git LFS pointer");
    const file = put("tokenizer.json");
    expect(() => loadTokenizer(file)).toThrow("is a Git LFS pointer");
  });

  it("also where it has another version, or no size", async () => {
    const file = put("older.onnx", "version https://hawser.github.com/spec/v1\noid sha256:00\n");
    await expect(compile({ input: file })).rejects.toThrow(
      "wanted the file that it stands for, found the lines of text",
    );
  });
});

it("a long file that begins like a pointer is none", async () => {
  const file = put("long.onnx", pointer + "x".repeat(1024));
  expect(await refused(folder, "inspect", file)).toContain("error FILE_NOT_ONNX");
});
