import { expect, it, jest } from "@jest/globals";

it("says how to install onnxruntime-node where it is missing", async () => {
  jest.unstable_mockModule("onnxruntime-node", () => {
    const text = "Cannot find package 'onnxruntime-node' imported from here";
    throw Object.assign(new Error(text), { code: "ERR_MODULE_NOT_FOUND" });
  });
  const { loadOrt } = await import("../../../runtime/session/ort.ts");
  await expect(loadOrt()).rejects.toMatchObject({
    code: "RUNTIME_MISSING",
    diagnostics: [{ fix: "npm install onnxruntime-node" }],
  });
});
