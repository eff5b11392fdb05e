import path from "node:path";
import { expect, it } from "@jest/globals";
import { compile } from "../../compiler/compile/compile.ts";
import { filesIn, temporaryFolder } from "../support/folder.ts";
import { tinyDecoder, writeModel } from "../support/tiny-decoder.ts";

const folder = temporaryFolder();
const input = writeModel(folder, "model.onnx", tinyDecoder());
const output = path.join(folder, "out.onnx");

it.each([
  [{ load: [] }, "a list of paths, one at least", "[]"],
  [{ load: [""] }, "a list of paths, one at least", '[""]'],
  [{ adapter: "lora", settings: { alpha: NaN } } as const, "a", "NaN"],
])("refuses %p", async (options, wanted, found) => {
  await expect(compile({ input, output, ...options })).rejects.toMatchObject({
    code: "OPTION_OUT_OF_RANGE",
    diagnostics: [{ wanted: expect.stringContaining(wanted) as unknown, found }],
  });
  expect(filesIn(folder)).toEqual(["model.onnx"]);
});

it("names settings and sites as they were given", async () => {
  const what = async (options: object): Promise<string> =>
    compile({ input, output, ...options }).then(
      () => "",
      (error: unknown) => String(error),
    );
  expect(await what({ settings: { rank: 0 } })).toContain("`settings.rank` is out of range");
  expect(await what({ sites: "nowhere" })).toContain("`sites` does not know");
  expect(await what({ entries: [{ kind: "lora", settings: { rank: 0 } }] })).toContain(
    "`entries[0].settings.rank` is out of range",
  );
});

it("says of an earlier output's companion that nothing reads it, and leaves it", async () => {
  const earlier = path.join(folder, "earlier.onnx");
  const [first, again, without] = [
    await compile({ input, output: earlier }),
    await compile({ input, output: earlier }),
    await compile({ input, output: earlier, adapters: false }),
  ];
  const codes = [first, again, without].map((report) => report.diagnostics.map(({ code }) => code));
  expect(codes).toEqual([[], [], ["COMPANION_UNREAD"]]);
  expect(without.diagnostics[0]?.what).toContain("earlier.adapters.safetensors is of an earlier output");
  expect(filesIn(folder)).toContain("earlier.adapters.safetensors");
});
