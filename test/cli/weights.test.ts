import { cpSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import proto from "onnx-proto";
import "../../compiler/testing/jest.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tfc } from "../support/tfc.ts";
import { initializerOf, moveOut, tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const { onnx } = proto;

const root = temporaryFolder();
const samples = path.resolve(import.meta.dirname, "../../samples/models/austen-llama");
const styles = ["dynamo", "torchscript"] as const;

interface Compiled {
  /** The folder of the base. */
  readonly folder: string;
  readonly output: string;
  readonly stderr: string;
  /** External locations in the output, with the number of tensors at each. */
  readonly locations: ReadonlyMap<string, number>;
  /** Bytes of the output's own file. */
  readonly size: number;
}

let count = 0;

/** Compiles a copy of a sample. */
function compiled(style: (typeof styles)[number], to: string, ...flags: string[]): Compiled {
  const folder = path.join(root, String(count++), style);
  cpSync(path.join(samples, style), folder, { recursive: true });
  const { status, stderr } = tfc(["compile", "model.onnx", "-o", to, "--rank", "2", ...flags], folder);
  expect({ status, stderr: stderr.replace(/^.* note WEIGHTS_HARD_LINKED[^]*/, "") }).toEqual({
    status: 0,
    stderr: "",
  });
  const output = path.resolve(folder, to);
  const locations = new Map<string, number>();
  for (const { externalData } of onnx.ModelProto.decode(readFileSync(output)).graph?.initializer ?? []) {
    const location = externalData?.find((entry) => entry.key === "location")?.value;
    if (location != null) locations.set(location, (locations.get(location) ?? 0) + 1);
  }
  return { folder, output, stderr, locations, size: statSync(output).size };
}

/** That a graph computes what the model in a folder does, to the last bit. */
async function expectSame({ folder, output }: Pick<Compiled, "folder" | "output">): Promise<void> {
  const cases = [{ batch: 2, sequence: 3, past: 4 }];
  const how = { cases, levels: ["off"], tolerance: 0 } as const;
  await expect(output).toComputeLike(path.join(folder, "model.onnx"), how);
}

const inode = (file: string): number => statSync(file).ino;

describe("--weights link, the default in the base's folder", () => {
  it("refers to the data where it lies (dynamo)", async () => {
    const found = compiled("dynamo", "out.onnx");
    expect([...found.locations.keys()].sort()).toEqual(["model.onnx.data", "out.adapters.safetensors"]);
    expect(filesIn(found.folder)).toEqual([
      "model.onnx",
      "model.onnx.data",
      "out.adapters.safetensors",
      "out.onnx",
    ]);
    await expectSame(found);
  });

  it("refers to weights inside the base's own file (torchscript)", async () => {
    const found = compiled("torchscript", "out.onnx", "--weights", "link");
    expect([...found.locations.keys()].sort()).toEqual(["model.onnx", "out.adapters.safetensors"]);
    expect(found.size).toBeLessThan(1_000_000);
    expect(found.stderr).toBe("");
    await expectSame(found);
  });

  it("refers to the base beside the output when both are given through a linked folder", async () => {
    const { folder } = compiled("dynamo", "first.onnx");
    symlinkSync(folder, path.join(root, "linked"));
    const { status } = tfc(["compile", "linked/model.onnx", "-o", "linked/second.onnx"], root);
    expect(status).toBe(0);
    expect(filesIn(folder).filter((name) => name.includes("base"))).toEqual([]);
    await expectSame({ folder, output: path.join(folder, "second.onnx") });
  });
});

describe.each([
  ["dynamo", "model.onnx.data"],
  ["torchscript", "model.onnx"],
] as const)("a compile again after --weights link (%s)", (style, data) => {
  it.each(["link", "copy", "inline"])(
    "replaces the links, and leaves the base: --weights %s",
    async (mode) => {
      const found = compiled(style, "../out/m.onnx", "--weights", "link");
      const base = path.join(found.folder, data);
      const before = readFileSync(base);
      const again = ["compile", "model.onnx", "-o", "../out/m.onnx", "--rank", "2", "--weights", mode];
      expect(tfc(again, found.folder).status).toBe(0);
      expect(readFileSync(base).equals(before)).toBe(true);
      const link = path.join(path.dirname(found.output), "m.base", data);
      // A copy of inline weights goes into the graph's own file.
      if (mode === "link" || (mode === "copy" && style === "dynamo"))
        expect(inode(link) === inode(base)).toBe(mode === "link");
      expect(filesIn(path.dirname(found.output))).toEqual([
        "m.adapters.safetensors",
        "m.base",
        `m.base/${data}`,
        "m.onnx",
      ]);
      await expectSame(found);
    },
  );
});

describe("--weights link into another folder", () => {
  it.each([
    ["dynamo", "model.onnx.data"],
    ["torchscript", "model.onnx"],
  ] as const)("makes hard links and copies nothing: %s", async (style, data) => {
    const found = compiled(style, "../out/m.onnx", "--weights", "link");
    const link = path.join(path.dirname(found.output), "m.base", data);
    expect(inode(link)).toBe(inode(path.join(found.folder, data)));
    expect(found.size).toBeLessThan(1_000_000);
    expect([...found.locations.keys()].sort()).toEqual(["m.adapters.safetensors", `m.base/${data}`]);
    expect(found.stderr).toMatch(
      /note WEIGHTS_HARD_LINKED: .* now has a second hard link; .*\n {2}fix: .*--weights copy/,
    );
    await expectSame(found);
  });

  it("links the file behind a symbolic link, not the link", async () => {
    const folder = path.join(root, "symbolic");
    mkdirSync(folder);
    cpSync(path.join(samples, "dynamo"), folder, { recursive: true });
    cpSync(path.join(folder, "model.onnx.data"), path.join(folder, "blob"));
    const base = path.join(root, "symbolic-base");
    mkdirSync(path.join(base, "blobs"), { recursive: true });
    cpSync(path.join(folder, "model.onnx"), path.join(base, "model.onnx"));
    cpSync(path.join(folder, "blob"), path.join(base, "blobs/1"));
    symlinkSync("blobs/1", path.join(base, "model.onnx.data"));
    const output = path.join(root, "symbolic-out/m.onnx");
    expect(tfc(["compile", "model.onnx", "-o", output, "--weights", "link"], base).status).toBe(0);
    expect(inode(path.join(root, "symbolic-out/m.base/model.onnx.data"))).toBe(
      inode(path.join(base, "blobs/1")),
    );
    await expectSame({ folder: base, output });
  });
});

describe("--weights copy, the default in another folder", () => {
  it.each([[], ["--weights", "copy"]])("copies external data beside the output: %j", async (...flags) => {
    const found = compiled("dynamo", "../out/m.onnx", ...flags);
    const copy = path.join(path.dirname(found.output), "m.base/model.onnx.data");
    expect(inode(copy)).not.toBe(inode(path.join(found.folder, "model.onnx.data")));
    expect(readFileSync(copy).equals(readFileSync(path.join(found.folder, "model.onnx.data")))).toBe(true);
    expect(found.stderr).toBe("");
    await expectSame(found);
  });

  it("writes inline weights into the output", async () => {
    const found = compiled("torchscript", "../out/m.onnx");
    expect([...found.locations.keys()]).toEqual(["m.adapters.safetensors"]);
    expect(found.size).toBeGreaterThan(5_000_000);
    await expectSame(found);
  });

  it("copies in the base's folder too when asked", async () => {
    const found = compiled("dynamo", "out.onnx", "--weights", "copy");
    expect(filesIn(found.folder)).toContain("out.base/model.onnx.data");
    await expectSame(found);
  });
});

describe("--weights inline", () => {
  it.each(styles)("leaves only the adapters outside: %s", async (style) => {
    const found = compiled(style, "../out/m.onnx", "--weights", "inline");
    expect([...found.locations.keys()]).toEqual(["m.adapters.safetensors"]);
    expect(found.size).toBeGreaterThan(5_000_000);
    expect(filesIn(path.dirname(found.output)).filter((name) => name.startsWith("m."))).toEqual([
      "m.adapters.safetensors",
      "m.onnx",
    ]);
    await expectSame(found);
  });
});

describe("external data of a Constant", () => {
  /** The tiny decoder whose head is a Constant node with external data. */
  function base(): { file: string; folder: string } {
    const folder = path.join(root, `constant-${count++}`);
    mkdirSync(folder);
    const model = tinyDecoder();
    const data = moveOut(model, "head", { location: "head.bin", offset: "64", length: "512" });
    writeFileSync(path.join(folder, "head.bin"), Buffer.concat([Buffer.alloc(64), data]));
    const { graph } = model;
    const head = initializerOf(model, "head");
    graph?.initializer?.splice(graph.initializer.indexOf(head), 1);
    graph?.node?.unshift({
      opType: "Constant",
      output: ["head"],
      attribute: [{ name: "value", type: onnx.AttributeProto.AttributeType.TENSOR, t: head }],
    });
    return { file: writeModel(folder, "model.onnx", model), folder };
  }

  it.each(["link", "copy", "inline"])("goes with the output: --weights %s", (mode) => {
    const { file, folder } = base();
    const output = path.join(folder, "out/m.onnx");
    expect(tfc(["compile", file, "-o", output, "--weights", mode]).status).toBe(0);
    const constant = onnx.ModelProto.decode(readFileSync(output)).graph?.node?.find(
      (one) => one.output?.[0] === "head",
    );
    const tensor = constant?.attribute?.[0]?.t;
    if (mode === "inline") {
      expect(tensor?.rawData).toHaveLength(512);
      expect(tensor?.externalData).toEqual([]);
    } else {
      expect(tensor?.externalData?.map(({ key, value }) => [key, value])).toEqual([
        ["location", "m.base/head.bin"],
        ["offset", "64"],
        ["length", "512"],
      ]);
      expect(statSync(path.join(folder, "out/m.base/head.bin")).size).toBe(64 + 512);
    }
  });

  it("is an input, which no output may take the place of", () => {
    const { file, folder } = base();
    const { status, stderr } = tfc(["compile", file, "-o", path.join(folder, "head.bin")]);
    expect(status).toBe(1);
    expect(stderr).toContain("error OUTPUT_IS_INPUT");
  });
});
