import { describe, expect, it } from "@jest/globals";
import { copyProgress } from "../../compiler/cli/copy-progress.ts";
import { durationText, wholeSeconds } from "../../compiler/cli/duration.ts";
import { cellsOf, shortened } from "../../compiler/cli/cells.ts";
import { TerminalLine } from "../../compiler/cli/terminal-line.ts";

/** A terminal with one cursor: what stands on its screen, and how many lines were begun. */
class Screen {
  readonly isTTY = true;
  columns: number;
  readonly lines = [""];
  /** What the last line has shown, one text after the other. */
  readonly seen: string[] = [];
  #at = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    for (const character of text) this.#put(character);
    this.seen.push((this.lines.at(-1) ?? "").trimEnd());
  }

  #put(character: string): void {
    if (character === "\r") this.#at = 0;
    else {
      // As wrapping terminals do: the cell behind the last one is the first of the next line.
      if (this.#at >= this.columns) [this.#at] = [0, this.lines.push("")];
      const line = Array.from((this.lines.at(-1) ?? "").padEnd(this.#at));
      line[this.#at++] = character;
      this.lines[this.lines.length - 1] = line.join("");
    }
  }
}

/** Copies so many bytes at this rate, told of every chunk of 8 MiB. */
function copy(
  screen: Screen,
  { file = "/a/long/path/model.onnx.data", bytes = 4e9, perSecond = 1e9 } = {},
): void {
  let time = 1000;
  const { update, end } = copyProgress(screen, () => time);
  for (let done = 0; done < bytes;) {
    const n = Math.min(8 << 20, bytes - done);
    done += n;
    time += (1000 * n) / perSecond;
    update(file, done, bytes);
  }
  end();
}

describe("progress of a copy", () => {
  it("tells how much of how much, how fast, and how long it takes", () => {
    const screen = new Screen(80);
    copy(screen);
    const texts = screen.seen.filter((text) => text !== "");
    expect(texts[0]).toMatch(/^model\.onnx\.data {2}310\.4 MB of 4\.0 GB {2}7% {2}1\.0 GB\/s {2}4 s left$/);
    expect(texts.at(-1)).toMatch(
      /^model\.onnx\.data {2}3\.9 GB of 4\.0 GB {2}9\d% {2}1\.0 GB\/s {2}1 s left$/,
    );
    // Ten a second at most.
    expect(texts.length).toBeGreaterThan(20);
    expect(texts.length).toBeLessThan(41);
  });

  it.each([200, 80, 60, 40, 20, 10, 2, 1])(
    "stays on one line of %d columns, and leaves it empty",
    (columns) => {
      const screen = new Screen(columns);
      copy(screen, { file: `/${"deep/".repeat(40)}${"a-long-name-of-a-model-".repeat(5)}.onnx.data` });
      expect(screen.lines).toHaveLength(1);
      expect(screen.lines[0]?.trim()).toBe("");
      expect(screen.seen.some((text) => text !== "")).toBe(true);
    },
  );

  it("goes by the speed of the last seconds", () => {
    const screen = new Screen(80);
    let time = 0;
    const { update } = copyProgress(screen, () => time);
    for (let done = 0; done <= 5e9; done += 1e7) update("a", done, 10e9 + ((time += 10) && 0));
    for (let done = 5e9; done <= 6e9; done += 1e7) update("a", done, 10e9 + ((time += 100) && 0));
    expect(screen.seen.at(-1)).toBe("a  6.0 GB of 10.0 GB  60%  100.0 MB/s  40 s left");
  });

  it("says nothing of what is quickly done, or where no terminal is", () => {
    const quick = new Screen(80);
    copy(quick, { bytes: 2e8 });
    expect(quick.seen.filter((text) => text !== "")).toEqual([]);
    const file: string[] = [];
    const { update, end } = copyProgress({ write: (text) => file.push(text) }, () => file.length);
    update("a", 1, 2);
    end();
    expect(file).toEqual([]);
  });

  it("that fails leaves no line behind", () => {
    const screen = new Screen(80);
    let time = 0;
    const { update, end } = copyProgress(screen, () => time);
    for (; time < 2000; time += 50) update("a", time, 4000);
    expect(screen.lines[0]?.trim()).not.toBe("");
    end();
    expect(screen.lines[0]?.trim()).toBe("");
  });
});

describe("a line of a terminal", () => {
  it("counts cells, not characters", () => {
    expect(["abc", "模型", "e\u0301", "🦙"].map(cellsOf)).toEqual([3, 4, 1, 2]);
    const screen = new Screen(9);
    new TerminalLine(screen).show("模型模型模型");
    expect(screen.lines[0]?.trimEnd()).toBe("模型模型");
  });

  it("shows no control characters", () => {
    const screen = new Screen(40);
    new TerminalLine(screen).show("a\nb\u001b[2Jc");
    expect(screen.lines).toEqual(["a?b?[2Jc"]);
  });

  it("leaves nothing of a longer text", () => {
    const screen = new Screen(40);
    const line = new TerminalLine(screen);
    for (const text of ["a long text", "short"]) line.show(text);
    expect(screen.lines[0]?.trimEnd()).toBe("short");
  });

  it.each([
    ["model.onnx.data", 15, "model.onnx.data"],
    ["model.onnx.data", 9, "mode…data"],
    ["model.onnx.data", 2, "…a"],
    ["模型.onnx", 6, "模…nnx"],
  ])("shortens %s to %d cells", (text, cells, expected) => {
    expect(shortened(text, cells)).toBe(expected);
    expect(cellsOf(shortened(text, cells))).toBeLessThanOrEqual(cells);
  });
});

it.each([
  [0.4, "0 ms", "1 s"],
  [820, "820 ms", "1 s"],
  [999.6, "1.0 s", "1 s"],
  [28_693, "28.7 s", "29 s"],
  [59_960, "1 min 0 s", "1 min 0 s"],
  [125_000, "2 min 5 s", "2 min 5 s"],
  [3_840_000, "1 h 4 min", "1 h 4 min"],
])("%d ms is said as %s, and roughly as %s", (milliseconds, exact, rough) => {
  expect([durationText(milliseconds), wholeSeconds(milliseconds)]).toEqual([exact, rough]);
});
