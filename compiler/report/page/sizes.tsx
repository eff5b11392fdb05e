import type { Part, PartKind, ReportData } from "../data.ts";
import { Bar } from "./bar.tsx";
import { useShared } from "./context.ts";
import { labelOfModule } from "./model.ts";
import { byteText, grouped, percent, rangesText } from "./numbers.ts";
import { Name } from "./name.tsx";
import { Scroll } from "./scroll.tsx";

interface SizeRow {
  readonly label: string;
  readonly kind: PartKind | "rest";
  readonly layers: readonly number[];
  readonly parameters: number;
  readonly bytes: number;
}

/** Parameters and bytes by module; equal modules of several layers together. */
export function Sizes() {
  const { data } = useShared().model;
  const { summary } = data;
  const rows = rowsOf(data);
  return (
    <section aria-labelledby="sizes">
      <h2 id="sizes">Parameters and bytes</h2>
      <Scroll label="Parameters and bytes">
        <table>
          <thead>
            <tr>
              <th scope="col">module</th>
              <th scope="col">layers</th>
              <th scope="col" class="number">
                parameters
              </th>
              <th scope="col" class="number">
                bytes
              </th>
              <th scope="col">share of all bytes</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ label, kind, layers, parameters, bytes }) => (
              <tr key={`${label} ${layers.length}`}>
                <th scope="row">
                  <Name text={label} />
                </th>
                <td>{rangesText(layers)}</td>
                <td class="number">{grouped(parameters)}</td>
                <td class="number">{byteText(bytes)}</td>
                <td>
                  <Bar
                    share={bytes / Math.max(summary.bytes, 1)}
                    look={kind}
                    text={percent(bytes, summary.bytes)}
                  />
                </td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">all</th>
              <td />
              <td class="number">{grouped(summary.parameters)}</td>
              <td class="number">{byteText(summary.bytes)}</td>
              <td />
            </tr>
          </tfoot>
        </table>
      </Scroll>
    </section>
  );
}

/** Modules that have weights, and what is in none: together all of the model. */
function rowsOf({ layers, summary, parts }: ReportData): readonly SizeRow[] {
  const rows = new Map<string, SizeRow>();
  const layerOf = new Map(layers.map(({ part, index }) => [part, index]));
  for (const part of parts) {
    if (part.kind === "graph" || part.kind === "layer" || part.kind === "function") continue;
    const layer = part.within === null ? undefined : layerOf.get(part.within);
    const label = labelOf(part);
    const key = `${label}${layer === undefined ? "" : " of layers"}`;
    const known = rows.get(key) ?? { label, kind: part.kind, layers: [], parameters: 0, bytes: 0 };
    rows.set(key, {
      ...known,
      layers: [...known.layers, ...(layer === undefined ? [] : [layer])],
      parameters: known.parameters + part.parameters,
      bytes: known.bytes + part.bytes,
    });
  }
  const listed = [...rows.values()];
  const rest: SizeRow = {
    ...{ label: "outside of modules", kind: "rest", layers: [] },
    parameters: summary.parameters - listed.reduce((sum, { parameters }) => sum + parameters, 0),
    bytes: summary.bytes - listed.reduce((sum, { bytes }) => sum + bytes, 0),
  };
  return [...listed, rest].filter(({ bytes }) => bytes > 0);
}

/** What a module is called in every layer. */
function labelOf({ name, kind }: Part): string {
  return labelOfModule(kind, name.replace(/^.*\.layers\.\d+\./, "").replace(/ \(\d+\)$/, ""));
}
