import { describe, expect, it } from "@jest/globals";
import { TfcError } from "../../compiler/diagnostics/error.ts";
import { parseModel } from "../../compiler/text/parse.ts";

function failure(text: string, file?: string): TfcError {
  try {
    parseModel(text, file === undefined ? {} : { file });
  } catch (error) {
    if (error instanceof TfcError) return error;
    throw error;
  }
  throw new Error("no error");
}

/** Place, wanted and found of the syntax error in a text. */
function syntax(text: string): string {
  const [d] = failure(text).diagnostics;
  expect(d?.code).toBe("TEXT_SYNTAX");
  return `${d?.what.replace("syntax error at ", "") ?? ""}: ${d?.wanted ?? ""}, not ${d?.found ?? ""}`;
}

/** The same for the body of a graph that begins on line 2. */
function inBody(body: string): string {
  return syntax(`g (x) => (y) {\n${body}\n}`);
}

describe("syntax errors", () => {
  it("show the message as the user sees it", () => {
    expect(failure("<ir_version: 10>\ng (x) => (y) {\n  y = (x)\n}", "bad.txt").message).toBe(
      'bad.txt: error TEXT_SYNTAX: syntax error at 3:7\n  wanted an operator, found "("\n  fix: correct the text',
    );
  });

  it("say line and column, wanted and found", () => {
    expect(syntax("")).toBe("1:1: the name of a graph, not the end of the text");
    expect(syntax("<ir: 1>")).toMatch(/^1:2: one of the fields ir_version, .*, not "ir"$/);
    expect(syntax('<ir_version: "1">')).toBe('1:14: an integer, not "1"');
    expect(syntax("g (x) -> (y) {}")).toBe('1:7: a token of ONNX\'s textual syntax, not "-"');
    expect(syntax("g (x) => (y)")).toBe('1:13: "{", not the end of the text');
    expect(syntax("g (x,) => (y) {}")).toBe('1:6: the name of a value, not ")"');
    expect(syntax("g (float[-] x) => (y) {}")).toBe('1:10: a token of ONNX\'s textual syntax, not "-"');
    expect(syntax("g (seq(flaot) x) => (y) {}")).toBe('1:8: a type, not "flaot"');
    expect(syntax("g () => () {} <author: 1>")).toMatch(/^1:16: one of the fields domain, .*, not "author"$/);
    expect(syntax('g () => () {}\n<domain: "d"> f () => () {}\n<domain: "d">\nf () => () {}')).toBe(
      '4:1: a function other than d::f, which is there already, not "f"',
    );
  });

  it("point into nodes", () => {
    expect(inBody("y = Op (x")).toBe('3:1: ")", not "}"');
    expect(inBody('y = Op <s = "open> (x)')).toBe('2:13: a closing quote, not "\\"open> (x)\\n}"');
    expect(inBody("# comment\n\n  y = Op <a 3> (x)")).toBe('4:13: "=", not 3');
    expect(inBody('s = "two\nlines" # here\n]')).toBe('3:12: "(", not "]"'.replace("3:12", "4:1"));
    expect(inBody("y = Op <a: number = 3> (x)")).toBe('2:12: an attribute type, not "number"');
    expect(inBody("y = Op <a: int = 3.0> (x)")).toBe("2:18: a value of type int, not 3.0");
    expect(inBody("y = Op <a = []> (x)")).toBe(
      '2:14: ": ints" or another type of lists before an empty list, not "]"',
    );
    expect(inBody('y = Op <a = [1, "b"]> (x)')).toBe('2:17: entries of one type, not "b"');
    expect(inBody("y = Op <a = 9223372036854775808> (x)")).toBe(
      "2:13: an integer from -9223372036854775808 to 9223372036854775807, not 9223372036854775808",
    );
  });

  it("check values against the tensor's type", () => {
    const tensor = (text: string): string => inBody(`y = Op <a = ${text}> (x)`).replace(/^2:\d+: /, "");
    expect(tensor("float[2] {1}")).toBe('2 values before "}", not 1, not "}"');
    expect(tensor("int8[1] {128}")).toBe("an integer of type int8 from -128 to 127, not 128");
    expect(tensor("int64 {1.5}")).toBe("an integer of type int64, not 1.5");
    expect(tensor("float16 {65536}")).toBe("a bit pattern of type float16 from 0 to 65535, not 65536");
    expect(tensor("float {x}")).toBe('a number, not "x"');
    expect(tensor("float[N] {1}")).toBe('a type whose dimensions are all numbers before the values, not "{"');
    expect(tensor("seq(float) {1}")).toBe('a tensor type before the values, not "{"');
    expect(tensor('float[2] = ["offset": "1"]')).toBe('a "location" before the end of the list, not "]"');
    expect(tensor("string {1}")).toBe("a string, not 1");
    expect(tensor('string {hex "0"}')).toBe('an even number of hexadecimal digits in quotes, not "0"');
  });
});

describe("names that nothing defines", () => {
  it("are errors with the place of the reader", () => {
    const [d] = failure("g () => (y) {\n a = Op ()\n y = Other (a, gone)\n}", "m.txt").diagnostics;
    expect(d?.code).toBe("NAME_DANGLING");
    expect(d?.place).toEqual({ file: "m.txt", path: "graph.node[1]", name: "gone", op: "Other" });
    expect(failure("g () => (gone) {}").diagnostics[0]?.place.path).toBe("graph.output[0]");
    const inner = "g (c) => (y) { y = If (c) <b = i () => (z) { z = Op (zz) }> }\n";
    expect(failure(inner).diagnostics[0]?.place.path).toBe("graph.node[0].attribute[b].node[0]");
    const hidden = "g (c) => (y) { y = If (c) <b = i () => (z) { z = Op () }> u = Op (z) }";
    expect(failure(hidden).diagnostics[0]?.place.path).toBe("graph.node[1]");
    expect(failure('g (x) => (x) {} <domain: "d"> f () => () { = Op (x) }').code).toBe("NAME_DANGLING");
  });

  it("are looked for after the second definition of a name, too", () => {
    const model = parseModel("g () => (a) { a = One () a = Two () b = Op (a) }");
    expect(model.graph.last?.input(0)?.producer?.opType).toBe("One");
  });
});

describe("external data", () => {
  const text = (location: string): string => `g () => () <float[1] w = ["location": "${location}"]> {}`;

  it("counts as missing without a folder", () => {
    const [w] = [...parseModel(text("../w.bin")).graph.initializers];
    expect(w?.constant?.storage).toMatchObject({ kind: "external", location: "../w.bin", range: null });
  });

  it("may not leave the folder", () => {
    expect(() => parseModel(text("../w.bin"), { folder: "/tmp" })).toThrow(/EXTERNAL_PATH_ESCAPES/);
  });
});
