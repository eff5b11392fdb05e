import { useEffect, useRef } from "preact/hooks";
import type { LayerRow, Module } from "../data.ts";
import { hrefOf, useShared } from "./context.ts";
import { labelOfModule } from "./model.ts";
import { useRoving } from "./roving.ts";

/** The decoder from the bottom of its input to its logits: a row for each layer, a box for each module. */
export function Tower() {
  const { model, place } = useShared();
  const { layers, ends, summary } = model.data;
  const path = new Set(model.path(place.part));
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const row = list.current?.querySelector("[aria-current]");
    const frame = list.current?.parentElement;
    if (row instanceof HTMLElement && frame instanceof HTMLElement) scrollTo(frame, row);
  }, [place.part]);
  const roving = useRoving(list, ".row.here > .number, .cell.here", place.part);
  return (
    <nav class="tower" aria-label="Layers and modules" aria-describedby="tower-keys">
      <p class="said" id="tower-keys">
        Arrows move from module to module, Enter draws one.
      </p>
      <ol ref={list} {...roving}>
        <Port names={summary.inputs.slice(0, 1).map(({ name }) => name)} />
        {ends.before.map((module, i) => (
          <EndRow key={i} module={module} path={path} />
        ))}
        {layers.map((row) => (
          <Row key={`${row.name} ${row.copy}`} row={row} path={path} />
        ))}
        {ends.behind.map((module, i) => (
          <EndRow key={i} module={module} path={path} />
        ))}
        <Port names={summary.outputs.slice(0, 1).map(({ name }) => name)} />
      </ol>
    </nav>
  );
}

/** Moves a row into view within its frame alone. */
function scrollTo(frame: HTMLElement, row: HTMLElement): void {
  const [top, bottom] = [row.offsetTop - frame.offsetTop, row.offsetTop - frame.offsetTop + row.offsetHeight];
  if (top < frame.scrollTop || bottom > frame.scrollTop + frame.clientHeight)
    frame.scrollTop = top - frame.clientHeight / 2;
}

function Port({ names }: { readonly names: readonly string[] }) {
  return <li class="port">{names.join(", ")}</li>;
}

function EndRow({ module, path }: { readonly module: Module; readonly path: ReadonlySet<number> }) {
  return (
    <li class="row end">
      <span class="number" />
      <Cell module={module} path={path} layer="" />
    </li>
  );
}

function Row({ row, path }: { readonly row: LayerRow; readonly path: ReadonlySet<number> }) {
  const { model } = useShared();
  const name = row.part === null ? null : (model.part(row.part)?.name ?? null);
  const isHere = row.part !== null && path.has(row.part);
  const current = isHere ? ({ "aria-current": "true" } as const) : {};
  return (
    <li class={isHere ? "row here" : "row"} {...current}>
      {name === null ? (
        <span class="number">{row.index}</span>
      ) : (
        <a class="number" href={hrefOf(name)} aria-label={`layer ${row.index}`}>
          {row.index}
        </a>
      )}
      {row.modules.map((module, i) => (
        <Cell key={i} module={module} path={path} layer={`layer ${row.index}, `} />
      ))}
    </li>
  );
}

interface CellProps {
  readonly module: Module;
  readonly path: ReadonlySet<number>;
  readonly layer: string;
}

function Cell({ module, path, layer }: CellProps) {
  const { model } = useShared();
  const { kind, label, part, miss, adapters, text } = module;
  const name = part === null ? (miss?.node ?? "") : (model.part(part)?.name ?? "");
  const isHere = part !== null && path.has(part);
  const beside =
    adapters.length === 0 ? "" : `, ${adapters.map(({ site, kind: of }) => `${of} at ${site}`).join(", ")}`;
  const said = miss === null ? `${text}${beside}` : `not understood: ${miss.code}`;
  const isBoxed = adapters.some(({ site }) => site === name);
  return (
    <a
      class={["cell", kind, miss === null ? "" : "missed", isHere ? "here" : ""].join(" ")}
      href={hrefOf(name)}
      title={`${labelOfModule(kind, label)}: ${said}`}
    >
      <span class="said">{layer}</span>
      <span class="label">{kind === "norm" ? "norm" : labelOfModule(kind, label)}</span>
      {miss === null ? null : <span class="why">not understood</span>}
      {adapters.length === 0 ? null : (
        <span class={isBoxed ? "tab beside" : "tab within"}>
          {adapters.length === 1 ? adapters[0]?.kind : `${adapters.length} ${adapters[0]?.kind ?? ""}`}
        </span>
      )}
      <span class="said">: {said}</span>
    </a>
  );
}
