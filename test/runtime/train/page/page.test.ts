import { describe, expect, it } from "@jest/globals";
import { lossesOf } from "../../../../runtime/train/losses.ts";
import type { Metrics } from "../../../../runtime/train/metrics.ts";
import { lossPlot, runPage } from "../../../../runtime/train/page/page.ts";
import { plotSvg } from "../../../../runtime/train/page/plot.ts";
import { seriesOf, smoothed } from "../../../../runtime/train/page/series.ts";

const steps = (count: number): Metrics[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ step: i + 1, epoch: 0, loss: 8 / (i + 1), learning_rate: 0.1, grad_norm: i === 2 ? null : 1 },
    ...{ tokens: 5, tokens_per_second: 9 },
  }));
const evaluation: Metrics = { step: 2, epoch: 0, eval_loss: 5, perplexity: 148, eval_tokens: 3 };

/** Coordinates of a drawn line. */
function pointsOf(svg: string, look: string): number[][] {
  const [, path = ""] = new RegExp(`<path class="${look}" d="([^"]*)"`).exec(svg) ?? [];
  return path
    .split(/[ML]/)
    .slice(1)
    .map((pair) => pair.split(",").map(Number));
}

describe("a plot", () => {
  it("draws each step where its number is, smaller ones lower", () => {
    const svg = lossPlot({ metrics: [...steps(4), evaluation], steps: 8 });
    const points = pointsOf(svg, "train");
    expect(points).toHaveLength(4);
    const [xs, ys] = [points.map(([x]) => x ?? NaN), points.map(([, y]) => y ?? NaN)];
    // Four of eight steps: the line ends in the middle.
    expect(xs.at(-1)).toBeCloseTo((58 + 744) / 2, 0);
    expect(xs[1]).toBeCloseTo((xs[0] ?? 0) + ((xs.at(-1) ?? 0) - (xs[0] ?? 0)) / 3, 0);
    expect([...ys].sort((a, b) => a - b)).toEqual(ys);
    expect(svg.match(/<circle/g)).toHaveLength(1);
  });

  it("has numbers beside its axis that fit there", () => {
    const labels = (...values: readonly number[]): readonly string[] =>
      [
        ...plotSvg({
          ...{ title: "", steps: 2 },
          series: [{ name: "", look: "mean", points: values.map((value, i) => ({ step: i, value })) }],
        }).matchAll(/text-anchor="end">([^<]*)</g),
      ].map(([, text = ""]) => text);
    expect(labels(0, 1e9)).toEqual(["0", "2e+8", "4e+8", "6e+8", "8e+8", "1e+9"]);
    expect(labels(0.00001, 0.000018)[1]).toBe("1.2e-5");
    expect(labels(0, 1e-7)).toEqual(["0", "2e-8", "4e-8", "6e-8", "8e-8", "1e-7"]);
    expect(labels(0, 5000)).toEqual(["0", "1,000", "2,000", "3,000", "4,000", "5,000"]);
  });

  it("is one without anything in it, or with one number", () => {
    expect(plotSvg({ title: "<loss>", series: [], steps: 0 })).toMatch(/&lt;loss&gt;.*nothing yet/);
    const svg = lossPlot({ metrics: steps(1), steps: 1 });
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(pointsOf(svg, "train")).toHaveLength(1);
  });

  it("puts thousands of points together by their means", () => {
    const series = seriesOf(steps(6000), ({ step }) => step);
    expect(series).toHaveLength(600);
    expect(series[0]).toEqual({ step: 10, value: 5.5 });
    expect(series.at(-1)).toEqual({ step: 6000, value: 5995.5 });
  });

  it("leaves steps out that have no number", () => {
    expect(seriesOf(steps(4), ({ grad_norm }) => grad_norm).map(({ step }) => step)).toEqual([1, 2, 4]);
  });

  it("shows means of the points around each, which do not lag behind", () => {
    const points = Array.from({ length: 400 }, (_, i) => ({ step: i, value: i < 200 ? 0 : 1 }));
    const means = smoothed(points).map(({ value }) => value);
    expect([means[190], means[209]]).toEqual([0, 1]);
    expect((means[199] ?? 0) + (means[200] ?? 0)).toBeCloseTo(1, 10);
    expect(means[199]).toBeCloseTo(8 / 17, 10);
    // A line stays the line that it is, up to both ends.
    const line = Array.from({ length: 50 }, (_, i) => ({ step: i, value: 3 * i }));
    expect(smoothed(line)).toEqual(line);
  });

  it("has a logarithm's axis for losses that are far apart, and for nothing else", () => {
    const far = [
      { step: 1, value: 100 },
      { step: 2, value: 10 },
      { step: 3, value: 1 },
    ];
    const heights = (mayBeLog: boolean): number[] =>
      pointsOf(
        plotSvg({ title: "", series: [{ name: "", look: "train", points: far }], steps: 3, mayBeLog }),
        "train",
      ).map(([, y]) => y ?? 0);
    const [a = 0, b = 0, c = 0] = heights(true);
    expect(b - a).toBeCloseTo(c - b, 0);
    const [d = 0, e = 0, f = 0] = heights(false);
    expect((e - d) / (f - e)).toBeCloseTo(10, 0);
  });
});

describe("the losses of a report", () => {
  const of = (losses: readonly (readonly [loss: number, tokens: number])[]): Metrics[] =>
    losses.map(([loss, tokens], i) => ({
      ...{ step: i + 1, epoch: 0, loss, learning_rate: 0.1, grad_norm: 1, tokens, tokens_per_second: 9 },
    }));

  it("are that of the first step, and the mean over the last tenth by tokens", () => {
    const many = of(Array.from({ length: 40 }, (_, i) => [40 - i, 5]));
    expect(lossesOf(many)).toEqual({ first: 40, last: 2.5 });
    const most = of(Array.from({ length: 400 }, (_, i) => [400 - i, 5]));
    expect(lossesOf(most)).toEqual({ first: 400, last: 5.5 });
  });

  it("count a batch of a few rows by what it has", () => {
    expect(
      lossesOf(
        of([
          [9, 30],
          [4, 30],
          [8, 10],
        ]),
      ).last,
    ).toBeCloseTo(5, 12);
    expect(lossesOf(of([[9, 30]]))).toEqual({ first: 9, last: 9 });
    expect(lossesOf([evaluation])).toEqual({ first: null, last: null });
  });
});

describe("a page", () => {
  const content = {
    about: [["data", "a<b>.jsonl"]] as const,
    metrics: [...steps(4), evaluation],
    steps: 8,
    written: new Date("2026-01-31T09:05:10Z"),
  };

  it("stands alone, and looks again while the run goes on", () => {
    const page = runPage({ ...content, state: "running", isRunning: true });
    expect(page).toContain("step 4 of 8");
    expect(page).toContain("a&lt;b&gt;.jsonl");
    expect(page).toContain("location.reload()");
    expect(page).not.toMatch(/(?:src|href)="/);
    expect(page.match(/<svg /g)).toHaveLength(5);
    // Of a process that was killed the page goes on to say that it runs: it tells since when nothing is new.
    expect(page).toContain('written <time datetime="2026-01-31T09:05:10.000Z">2026-01-31 09:05 UTC</time>');
  });

  it("says why a run failed", () => {
    const page = runPage({ ...content, state: "failed", isRunning: false, reason: "TRAIN_X: a < b" });
    expect(page).toContain('<p class="reason">TRAIN_X: a &lt; b</p>');
  });

  it("sets thousands apart", () => {
    const page = runPage({
      ...content,
      metrics: steps(1200),
      steps: 12_000,
      state: "done",
      isRunning: false,
    });
    expect(page).toContain("step 1,200 of 12,000");
    expect(page).toMatch(/text-anchor="middle">10,000</);
  });

  it("does not when it has ended, and says how", () => {
    const page = runPage({ ...content, state: "done", isRunning: false });
    expect(page).not.toContain("location.reload()");
    expect(page).not.toContain('class="reason"');
    expect(page).toContain(">done<");
    expect(page).toMatch(/<dt>perplexity<\/dt><dd>148\.00<\/dd>/);
  });
});
