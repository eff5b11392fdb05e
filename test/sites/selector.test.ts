import { describe, expect, it } from "@jest/globals";
import { selects, selectorText, siteList } from "../../compiler/sites/selector.ts";
import type { SiteKind } from "../../compiler/sites/site.ts";

const parse = (text: string) => siteList({ help: "" }).check(text, "--sites");
const meant = (text: string, site: SiteKind, layer = 0): boolean =>
  parse(text).some((selector) => selects(selector, { layer, copy: 0, site }));

describe("projections", () => {
  it("are all that a model has, of all layers or of some", () => {
    for (const site of ["q_proj", "o_proj", "kv_b_proj", "gate_proj", "down_proj"] as const)
      expect(meant("projections", site)).toBe(true);
    for (const site of ["attn", "mlp", "mlp_output", "lm_head", "embed_tokens"] as const)
      expect(meant("projections", site)).toBe(false);
    expect(meant("projections@1-2", "up_proj", 2)).toBe(true);
    expect(meant("projections@1-2", "up_proj", 3)).toBe(false);
    expect(meant("projections@0,mlp", "mlp", 5)).toBe(true);
  });

  it("are named in messages, and as they were given", () => {
    expect(parse("projections@0-1+4").map(selectorText)).toEqual(["projections@0-1+4"]);
    expect(() => parse("projection")).toThrow(/OPTION_UNKNOWN_VALUE[^]*projections/);
  });
});
