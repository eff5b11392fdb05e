import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, it } from "@jest/globals";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { readAdapter } from "../../compiler/weights/read-adapter.ts";
import { temporaryFolder } from "../support/folder.ts";
import { bytesOf, tinyDecoder } from "../support/tiny-decoder.ts";
import { archive, pickle } from "../weights/torch/archive.ts";
import { attacksWith } from "./mutate-pickle.ts";
import { watched } from "./watch.ts";

const folder = temporaryFolder();
const tripwire = path.join(folder, "tripwire");
const attacks = attacksWith(`touch ${tripwire}`);
const inside = path.join(folder, "input");
mkdirSync(inside);
writeFileSync(path.join(inside, "model.onnx"), bytesOf(tinyDecoder()));

const root = path.resolve(import.meta.dirname, "../..");
const permission = process.allowedNodeEnvironmentFlags.has("--permission")
  ? "--permission"
  : "--experimental-permission";

interface Run {
  readonly cwd: string;
  /** Lets it start no process, load no native code and write nothing. */
  readonly isConfined?: boolean;
}

function run(args: readonly string[], { cwd, isConfined = false }: Run): object {
  const limits = isConfined ? [permission, "--disable-warning=ExperimentalWarning", "--allow-fs-read=*"] : [];
  const { status, stderr } = spawnSync(
    process.execPath,
    [...limits, path.join(root, "bin/tfc.js"), ...args],
    {
      encoding: "utf8",
      cwd,
    },
  );
  return { status, stderr };
}

/** A dict whose value a payload makes. */
function whole(attack: Uint8Array): Uint8Array {
  return pickle(0x80, 2, "}", "X\u0001\u0000\u0000\u0000x", attack, "s.");
}

describe("a pickle that would run a command", () => {
  it("does so in Python: the payloads are real", () => {
    const run = "import pickle, sys\ntry: pickle.load(open(sys.argv[1], 'rb'))\nexcept Exception: pass";
    const file = path.join(folder, "raw.pkl");
    const python = process.env["TFC_PYTHON"] ?? "python3";
    if (spawnSync(python, ["--version"]).status !== 0) return;
    let tripped = 0;
    for (const attack of attacks) {
      writeFileSync(file, whole(attack));
      spawnSync(python, ["-c", run, file]);
      if (existsSync(tripwire)) tripped++;
      rmSync(tripwire, { force: true });
    }
    rmSync(file);
    expect(tripped).toBeGreaterThanOrEqual(8);
  });

  it.each(attacks.map((attack, i) => [i, attack] as const))("is refused: %d", async (i, attack) => {
    const file = path.join(inside, `${i}.pt`);
    for (const data of [whole(attack), pickle(0x80, 2, attack, ".")]) {
      archive(file, data);
      const refused = await watched(inside, () => Promise.resolve(codeOf(() => readAdapter(file))));
      expect(refused).toMatch(/^TORCH_(?:FORBIDDEN|INVALID|UNSUPPORTED)$/);
      rmSync(file);
    }
  });

  it("is refused where it stands in a file without an archive, and in a folder of PEFT's", async () => {
    const peft = path.join(inside, "peft");
    mkdirSync(peft, { recursive: true });
    copyFileSync(
      path.join(root, "samples/models/peft/plain/adapter_config.json"),
      path.join(peft, "adapter_config.json"),
    );
    for (const attack of attacks) {
      writeFileSync(path.join(inside, "raw.bin"), whole(attack));
      archive(path.join(peft, "adapter_model.bin"), whole(attack));
      for (const file of [path.join(inside, "raw.bin"), peft]) {
        const refused = await watched(inside, () => Promise.resolve(codeOf(() => readAdapter(file))));
        expect(refused).toMatch(/^(?:TORCH_(?:FORBIDDEN|INVALID|UNSUPPORTED)|ADAPTER_FORMAT_UNKNOWN)$/);
      }
    }
  });

  it("is refused by the command, as a process that may start none and write nothing", () => {
    const file = path.join(inside, "evil.pt");
    archive(file, whole(attacks[0]));
    const args = ["compile", "model.onnx", "-o", "out/model.onnx", "--load", "evil.pt"];
    expect(run(args, { cwd: inside, isConfined: true })).toEqual({
      status: 1,
      stderr: expect.stringContaining("error TORCH_FORBIDDEN") as unknown,
    });
    expect(readdirSync(folder)).toEqual(["input"]);
  });
});

describe("a configuration", () => {
  const runs = `import { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(path.join(inside, "ran"))}, "");\nexport default {};\n`;

  it("that is a module runs only where it is given, or stands where the command is run", () => {
    for (const name of ["tfc.config.mjs", "tfc.config.ts", "tfc.config.js"]) {
      const model = path.join(inside, name.replaceAll(".", "-"));
      const elsewhere = path.join(model, "elsewhere");
      mkdirSync(elsewhere, { recursive: true });
      copyFileSync(path.join(inside, "model.onnx"), path.join(model, "model.onnx"));
      writeFileSync(path.join(model, name), runs);
      const args = ["compile", "../model.onnx", "-o", "out.onnx"];
      expect(run(args, { cwd: elsewhere })).toEqual({ status: 0, stderr: "" });
      expect(existsSync(path.join(inside, "ran"))).toBe(false);
      const given = [...args.slice(0, 3), "given.onnx", "--config", `../${name}`];
      expect(run(given, { cwd: elsewhere })).toEqual({ status: 0, stderr: "" });
      expect(existsSync(path.join(inside, "ran"))).toBe(true);
      rmSync(path.join(inside, "ran"));
    }
  });

  it("that is JSON is data, whatever it holds", () => {
    const code = "require('node:fs').writeFileSync('ran', '')";
    const text = JSON.stringify({
      adapters: [{ kind: code, sites: `\${${code}}` }],
      seed: { toString: code },
    });
    writeFileSync(path.join(inside, "tfc.config.json"), text);
    expect(run(["compile", "model.onnx", "-o", "json.onnx"], { cwd: inside })).toMatchObject({ status: 1 });
    expect(readdirSync(inside)).not.toContain("ran");
    rmSync(path.join(inside, "tfc.config.json"));
  });
});

function codeOf(act: () => unknown): string {
  try {
    act();
    return "nothing";
  } catch (error) {
    if (error instanceof TfcError) return error.code;
    throw error;
  }
}

describe("a safetensors header", () => {
  it("that names objects' own properties is data", () => {
    const header = Buffer.from(
      '{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"constructor":"x"}}',
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const file = path.join(inside, "proto.safetensors");
    writeFileSync(file, Buffer.concat([length, header, Buffer.alloc(4)]));
    expect(codeOf(() => readAdapter(file))).not.toBe("nothing");
    expect(({} as { dtype?: unknown }).dtype).toBeUndefined();
    expect(readFileSync(file)).toHaveLength(8 + header.length + 4);
  });
});
