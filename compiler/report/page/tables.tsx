import type { Adapter, Change, LayerRow, OpRow } from "../data.ts";
import { Bar } from "./bar.tsx";
import { hrefOf, useShared } from "./context.ts";
import { labelOfModule } from "./model.ts";
import { byteText, grouped, rangesText } from "./numbers.ts";
import { Name } from "./name.tsx";
import { Scroll } from "./scroll.tsx";

/** Where adapters stand: a row for each layer, a column for each site. */
export function Placed() {
  const { layers, ends } = useShared().model.data;
  const outside = [...ends.before, ...ends.behind].flatMap(({ adapters }) => adapters);
  const rows = layers.map((row) => [row, row.modules.flatMap(({ adapters }) => adapters)] as const);
  const sites = [...new Set(rows.flatMap(([row, adapters]) => adapters.map((one) => siteIn(one, row))))];
  if (sites.length === 0 && outside.length === 0) return null;
  return (
    <section aria-labelledby="placed">
      <h2 id="placed">Adapters</h2>
      <Scroll label="Adapters">
        <table class="placed">
          <thead>
            <tr>
              <th scope="col">layer</th>
              {sites.map((site) => (
                <th key={site} scope="col">
                  {site}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {equalRows(rows).map(({ layers: of, name, adapters, row }) => (
              <tr key={name}>
                <th scope="row">
                  <a href={hrefOf(name)}>{rangesText(of)}</a>
                </th>
                {sites.map((site) => (
                  <td key={site}>
                    <AdapterCell adapter={adapters.find((one) => siteIn(one, row) === site)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {outside.map(({ site, kind, settings }) => (
        <p key={site}>
          <code>{site}</code> has {kind}, {settings}
        </p>
      ))}
    </section>
  );
}

function AdapterCell({ adapter }: { readonly adapter: Adapter | undefined }) {
  if (adapter === undefined) return <span class="muted">–</span>;
  const { kind, settings, parameters, isReplacing } = adapter;
  return (
    <>
      <span class="adapter-mark">{kind}</span>
      {isReplacing ? " in its place" : ""}
      <small>
        {[settings, parameters === 0 ? "" : `${grouped(parameters)} parameters`]
          .filter((t) => t !== "")
          .join("; ")}
      </small>
    </>
  );
}

/** `q_proj`, `mlp` */
function siteIn({ site }: Adapter, { name }: LayerRow): string {
  return site.startsWith(`${name}.`) ? site.slice(name.length + 1) : site.replace(/^.*\.layers\.\d+\./, "");
}

interface PlacedRow {
  readonly layers: readonly number[];
  readonly name: string;
  readonly row: LayerRow;
  readonly adapters: readonly Adapter[];
}

/** Layers with the same adapters are one row. */
function equalRows(rows: readonly (readonly [LayerRow, readonly Adapter[]])[]): readonly PlacedRow[] {
  const groups = new Map<string, PlacedRow>();
  for (const [row, adapters] of rows) {
    const key = JSON.stringify(
      adapters.map((one) => [siteIn(one, row), one.kind, one.settings, one.parameters]),
    );
    const known = groups.get(key);
    groups.set(
      key,
      known === undefined
        ? { layers: [row.index], name: row.name, row, adapters }
        : { ...known, layers: [...known.layers, row.index] },
    );
  }
  return [...groups.values()];
}

/** Ops of a table; more of them are two tables beside each other. */
const LONG = 14;

/** How often each op is there, in the base too where there is one. */
export function Ops() {
  const { ops, base, summary } = useShared().model.data;
  const half = ops.length > LONG ? Math.ceil(ops.length / 2) : ops.length;
  return (
    <section aria-labelledby="ops">
      <h2 id="ops">Ops{base === null ? "" : ", before and after"}</h2>
      <p class="muted">
        {summary.functions === 0 ? "" : "Counted with functions written out, as onnxruntime sees them. "}
        The longest bar is the most frequent op.
      </p>
      <div class="columns">
        <OpTable label="Ops" ops={ops.slice(0, half)} />
        {half === ops.length ? null : <OpTable label="More ops" ops={ops.slice(half)} />}
      </div>
    </section>
  );
}

function OpTable({ label, ops }: { readonly label: string; readonly ops: readonly OpRow[] }) {
  const { ops: all, base } = useShared().model.data;
  const most = Math.max(...all.map(({ model, base: before }) => Math.max(model, before ?? 0)), 1);
  return (
    <Scroll label={label}>
      <table class={base === null ? "ops" : "ops compared"}>
        <thead>
          <tr>
            <th scope="col">op</th>
            {base === null ? null : (
              <th scope="col" class="number">
                before
              </th>
            )}
            <th scope="col" class="number">
              {base === null ? "nodes" : "after"}
            </th>
            <th scope="col">{base === null ? "of the most frequent" : "difference"}</th>
          </tr>
        </thead>
        <tbody>
          {ops.map(({ op, model, base: before }) => (
            <tr key={op}>
              <th scope="row">{op}</th>
              {before === null ? null : <td class="number">{grouped(before)}</td>}
              <td class="number">{grouped(model)}</td>
              <td>
                <Bar
                  share={model / most}
                  look="op"
                  text={before === null || before === model ? "" : signed(model - before)}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function signed(n: number): string {
  return n > 0 ? `+${grouped(n)}` : `−${grouped(-n)}`;
}

/** What became of the base's modules. */
export function Changes() {
  const { changes, base } = useShared().model.data;
  if (base === null) return null;
  return (
    <section aria-labelledby="changes">
      <h2 id="changes">What changed, by module</h2>
      <p class="muted">
        Against <code>{base}</code>.
      </p>
      <Scroll label="Changes">
        <table>
          <thead>
            <tr>
              <th scope="col">module</th>
              <th scope="col">layers</th>
              <th scope="col">now</th>
              <th scope="col">ops that came and went</th>
              <th scope="col">bytes</th>
            </tr>
          </thead>
          <tbody>
            {changes.map((change, i) => (
              <ChangeRow key={i} change={change} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function ChangeRow({ change }: { readonly change: Change }) {
  const { module, kind, layers, outlined, adapters, ops, bytes } = change;
  const [before, after] = bytes.map(byteText);
  return (
    <tr>
      <th scope="row">
        <Name text={labelOfModule(kind, module)} />
      </th>
      <td>{rangesText(layers)}</td>
      <td>
        {outlined === null ? null : <code>{outlined}</code>}{" "}
        {adapters.map((text) => (
          <span key={text} class="adapter-mark">
            {text}
          </span>
        ))}
        {outlined === null && adapters.length === 0 ? <span class="muted">as it was</span> : null}
      </td>
      <td>
        {ops.length === 0 ? (
          <span class="muted">none</span>
        ) : (
          ops.map(([op, was, is]) => `${signed(is - was)} ${op}`).join(", ")
        )}
      </td>
      <td class="number">{before === after ? after : `${before ?? ""} → ${after ?? ""}`}</td>
    </tr>
  );
}
