import type { LayerRow, Summary } from "../data.ts";
import { byteText, grouped, percent, rangesText, shortNumber } from "./numbers.ts";
import { useShared } from "./context.ts";
import { Scroll } from "./scroll.tsx";

/** The numbers to begin with, and what must not be overlooked. */
export function Overview() {
  const { summary, layers } = useShared().model.data;
  const { matched, seen, adapters, refusal, warnings, notes } = summary;
  const isWhole = matched.attention === seen.attention && matched.mlp === seen.mlp;
  return (
    <section class="overview" aria-label="Overview">
      {refusal === null ? null : (
        <p class="miss" role="note">
          <strong>No Llama-family decoder:</strong> {refusal}. The graph is shown as it is.
        </p>
      )}
      <dl class="tiles">
        <Tile label="layers" value={String(new Set(layers.map(({ index }) => index)).size)} />
        <Tile
          label="understood"
          value={`${matched.attention + matched.mlp} of ${seen.attention + seen.mlp}`}
          more={`${matched.attention} of ${seen.attention} attention, ${matched.mlp} of ${seen.mlp} ${mlpWord(layers)}`}
          isMissed={!isWhole || refusal !== null}
        />
        <Tile label="parameters" value={shortNumber(summary.parameters)} more={grouped(summary.parameters)} />
        <Tile
          label="weights"
          value={byteText(summary.bytes)}
          more={`hidden size ${summary.hiddenSize ?? "unknown"}`}
        />
        {adapters === null ? null : (
          <Tile
            label="adapters"
            value={String(adapters.count)}
            more={adapterText(adapters, summary.parameters)}
            isAdapter
          />
        )}
        <Tile label="nodes" value={grouped(summary.nodes)} more={nodesText(summary)} />
      </dl>
      <dl class="notes">
        <dt>style</dt>
        <dd>
          {summary.style}, written by {summary.exporter}
        </dd>
        {notes.map(([label, text]) => [<dt>{label}</dt>, <dd>{text}</dd>])}
      </dl>
      {warnings.map((warning, i) => (
        <p key={i} class="warning" role="note">
          {warning}
        </p>
      ))}
    </section>
  );
}

/** What stands beside attention: MLPs, experts, or both. */
function mlpWord(layers: readonly LayerRow[]): string {
  const kinds = new Set(layers.flatMap(({ modules }) => modules.map(({ kind }) => kind)));
  if (!kinds.has("experts")) return "MLP";
  return kinds.has("mlp") ? "MLP or experts" : "experts";
}

function adapterText({ parameters, residence }: NonNullable<Summary["adapters"]>, all: number): string {
  if (parameters === 0) return `${residence}: fed at run time`;
  const isInside = residence === "baked" || residence === "bank";
  return `${grouped(parameters)}, ${percent(parameters, isInside ? all - parameters : all)} of the base`;
}

function nodesText({ functions, writtenOut, nodes }: Summary): string {
  if (functions === 0) return "no functions";
  const calls = `${functions} ${functions === 1 ? "function" : "functions"}`;
  return writtenOut === nodes ? calls : `${calls}; ${grouped(writtenOut)} written out`;
}

interface TileProps {
  readonly label: string;
  readonly value: string;
  readonly more?: string;
  readonly isMissed?: boolean;
  readonly isAdapter?: boolean;
}

function Tile({ label, value, more, isMissed = false, isAdapter = false }: TileProps) {
  return (
    <div class={`tile${isMissed ? " missed" : ""}${isAdapter ? " adapter" : ""}`}>
      <dt>{label}</dt>
      <dd>
        {value}
        {more === undefined ? null : <small>{more}</small>}
      </dd>
    </div>
  );
}

/** What the graph is fed and gives. */
export function Ports() {
  const { inputs, outputs } = useShared().model.data.summary;
  return (
    <section aria-labelledby="ports">
      <h2 id="ports">Inputs and outputs</h2>
      <div class="columns">
        <PortTable title="Inputs" ports={inputs} />
        <PortTable title="Outputs" ports={outputs} />
      </div>
    </section>
  );
}

function PortTable({ title, ports }: { readonly title: string; readonly ports: Summary["inputs"] }) {
  return (
    <Scroll label={title}>
      <table class="ports">
        <caption>{title}</caption>
        <tbody>
          {alike(ports).map(({ names, type }, i) => (
            <tr key={i}>
              <th scope="row">{names}</th>
              <td>
                <code>{type}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Ports whose names and sizes differ in the number of a layer alone, as of a cache, share a row. */
function alike(ports: Summary["inputs"]): readonly { readonly names: string; readonly type: string }[] {
  const rows = new Map<
    string,
    { readonly names: string; readonly type: string; readonly layers: number[] }
  >();
  for (const port of ports) {
    const [number] = NUMBER.exec(port.name) ?? [];
    const row = { names: port.name, type: port.type, layers: [] as number[] };
    if (number !== undefined) {
      row.names = port.name.replace(NUMBER, LAYERS);
      // A size has the module's name where each module has its own.
      row.type = port.type.replaceAll(`layers.${number}.`, `layers.${LAYERS}.`);
    }
    const key = `${row.names} ${row.type}`;
    const known = rows.get(key) ?? row;
    rows.set(key, known);
    if (number !== undefined) known.layers.push(Number(number));
  }
  return [...rows.values()].map(({ names, type, layers }) => ({
    names: names.replace(LAYERS, rangesText(layers)),
    type: type.replaceAll(LAYERS, rangesText(layers)),
  }));
}

/** Stands for the number of a layer; no name has it. */
const LAYERS = "\u0000";
const NUMBER = /(?<=[._/])\d+(?=[._/])/;
