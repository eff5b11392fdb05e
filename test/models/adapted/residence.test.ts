import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { compile, type CompileOptions } from "../../../compiler/compile/compile.ts";
import { adapterFeeds, noAdapter } from "../../../runtime/adapters/feeds.ts";
import { AdapterStore } from "../../../runtime/adapters/store.ts";
import { adapterInterface } from "../../../runtime/adapters/ports.ts";
import { openSession, type Session } from "../../../runtime/session/session.ts";
import { tensorFrom, type HostTensor, type Tensors } from "../../../runtime/session/tensor.ts";
import { graphOf, styles } from "../../runtime/oracle.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { exportOf, exports } from "../vllm/serving.ts";
import {
  apart,
  baseLogits,
  logitsOf,
  pagedLogitsOf,
  prompts,
  recorded,
  rowsFrom,
  samples,
  stepsOf,
  TOLERANCE,
  type Prompt,
} from "./logits.ts";

const folder = temporaryFolder();

/** LoRA adapters of unequal ranks at unequal sites. */
const loras = ["peft/plain", "peft/patterns", "peft/some-layers"];
const loraLogits = (load: string): string => `${load}/logits.safetensors`;
/** A ScalarLM adapter beside attention and MLPs. */
const scalarlm = "austen-llama/adapters.safetensors";
const scalarlmLogits = "austen-llama/adapted.safetensors";

const allProjections = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";

interface Style {
  readonly name: string;
  readonly input: string;
  readonly options: Partial<CompileOptions>;
  readonly logits: (session: Session, prompt: Prompt, more: Tensors) => Promise<HostTensor>;
  /** `adapter_ids`, of an id for each row of a prompt. */
  readonly ids: (prompt: Prompt, rows: readonly number[]) => readonly number[];
}

const all: readonly Style[] = [
  ...styles.map((name) => ({
    name,
    input: graphOf(name),
    options: {},
    logits: logitsOf,
    ids: (_: Prompt, rows: readonly number[]): readonly number[] => rows,
  })),
  ...exports.map((name) => ({
    name,
    input: exportOf(name),
    options: { lowerPagedAttention: true },
    logits: pagedLogitsOf,
    ids: (prompt: Prompt, rows: readonly number[]): readonly number[] =>
      stepsOf(prompt).flatMap(([, tokens], row) => tokens.map(() => rows[row] ?? NaN)),
  })),
];

describe.each(all)("the $name export", ({ name, input, options, logits, ids }) => {
  async function opened(what: string, more: Partial<CompileOptions>): Promise<Session> {
    const output = path.join(folder, name, what, "model.onnx");
    await compile({ input, output, ...options, ...more });
    return openSession(output);
  }

  async function expectLogits(
    session: Session,
    prompt: Prompt,
    want: HostTensor,
    more: Tensors,
  ): Promise<void> {
    expect(apart(await logits(session, prompt, more), want, prompt)).toBeLessThan(TOLERANCE);
  }

  describe.each(["inputs", "optional-inputs"] as const)("with LoRA as %s", (residence) => {
    let session: Session;
    beforeAll(async () => {
      const entries = [{ kind: "lora" as const, sites: allProjections, settings: { rank: 2 } }];
      session = await opened(residence, { entries, residence });
    });
    afterAll(() => session.close());

    it.each(loras)("computes PyTorch's logits with %s", async (load) => {
      const feeds = adapterFeeds(session, path.join(samples, load));
      for (const prompt of prompts) {
        const want = recorded(loraLogits(load), prompt);
        await expectLogits(session, prompt, want, feeds);
        expect(apart(baseLogits(prompt), want, prompt)).toBeGreaterThan(0.5);
      }
    });

    it("computes the base's logits without any", async () => {
      const none = noAdapter(adapterInterface(session.file, session.inputs));
      for (const prompt of prompts) await expectLogits(session, prompt, baseLogits(prompt), none);
      // Inputs that are optional need not be fed at all.
      if (residence === "optional-inputs")
        for (const prompt of prompts) await expectLogits(session, prompt, baseLogits(prompt), new Map());
    });

    it("takes one adapter after the other from a store", async () => {
      const store = new AdapterStore(session);
      for (const load of loras) await store.add(load, path.join(samples, load));
      for (const load of [...loras, ...loras.toReversed()]) {
        const lease = await store.lease(load);
        await expectLogits(session, "elinor", recorded(loraLogits(load), "elinor"), lease.feeds);
        lease.release();
      }
    });
  });

  it.each(["inputs", "optional-inputs"] as const)(
    "computes PyTorch's logits with ScalarLM's adapters as %s",
    async (residence) => {
      // Of another rank than the adapter that is fed later.
      const settings = { heads: 4, rank: 7 };
      const session = await opened(`scalarlm-${residence}`, { settings, residence });
      const feeds = adapterFeeds(session, path.join(samples, scalarlm));
      for (const prompt of prompts)
        await expectLogits(session, prompt, recorded(scalarlmLogits, prompt), feeds);
      await session.close();
    },
  );

  const feedsFor = (prompt: Prompt, rows: readonly number[]): Tensors => {
    const all = ids(prompt, rows);
    return new Map([["adapter_ids", tensorFrom("int64", [all.length], (i) => all[i] ?? NaN)]]);
  };

  describe("with a bank of LoRA", () => {
    let session: Session;
    beforeAll(async () => {
      session = await opened("bank", {
        load: loras.map((load) => path.join(samples, load)),
        residence: "bank",
      });
    });
    afterAll(() => session.close());

    const wanted = (id: number, prompt: Prompt): HostTensor => {
      const load = loras[id];
      return load === undefined ? baseLogits(prompt) : recorded(loraLogits(load), prompt);
    };

    it.each([[[0]], [[1]], [[2]], [[-1]]])("computes PyTorch's logits for the ids %j", async (rows) => {
      const [id = NaN] = rows;
      await expectLogits(session, "elinor", wanted(id, "elinor"), feedsFor("elinor", rows));
    });

    it.each([[[0, 1]], [[1, 0]], [[2, -1]], [[-1, 1]], [[2, 2]]])(
      "computes PyTorch's logits, each row with its own adapter, for the ids %j",
      async (rows) => {
        const prompt = "padded_batch";
        const want = rowsFrom(rows.map((id) => wanted(id, prompt)));
        await expectLogits(session, prompt, want, feedsFor(prompt, rows));
        const other = rowsFrom(rows.map((id) => wanted(id === 0 ? 1 : 0, prompt)));
        expect(apart(other, want, prompt)).toBeGreaterThan(0.5);
      },
    );
  });

  it("computes PyTorch's logits with a bank of ScalarLM's adapters, or the base's", async () => {
    const load = [scalarlm, scalarlm].map((file) => path.join(samples, file));
    const session = await opened("scalarlm-bank", { load, residence: "bank" });
    const prompt = "padded_batch";
    const [adapted, base] = [recorded(scalarlmLogits, prompt), baseLogits(prompt)];
    await expectLogits(session, prompt, rowsFrom([adapted, base]), feedsFor(prompt, [1, -1]));
    await expectLogits(session, prompt, rowsFrom([base, adapted]), feedsFor(prompt, [-1, 0]));
    await session.close();
  });
});
