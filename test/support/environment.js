import { TestEnvironment } from "jest-environment-node";

/**
 * Jest gives each test file globals of its own realm; onnxruntime's binding compares typed arrays with those of
 * the process. Handing the process's own to the tests lets both agree.
 */
export default class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    // Workers of a run in a terminal are told to print in colours; commands that they run would, too.
    delete process.env.FORCE_COLOR;
    for (const name of [
      // From Node 24 on.
      "Float16Array",
      "Float32Array",
      "Float64Array",
      "BigInt64Array",
      "BigUint64Array",
      "Int8Array",
      "Int16Array",
      "Int32Array",
      "Uint8Array",
      "Uint16Array",
      "Uint32Array",
      "ArrayBuffer",
      "DataView",
    ]) {
      if (name in globalThis) this.global[name] = globalThis[name];
    }
  }
}
