import type { Module, Part } from "../data.ts";
import { hrefOf, useShared } from "./context.ts";
import { adaptersIn } from "./inside.ts";
import { labelOfModule, shortName } from "./model.ts";
import { byteText, grouped } from "./numbers.ts";

/** Where a part stands: the way to it from the main graph. */
export function Crumbs({ index }: { readonly index: number }) {
  const { model } = useShared();
  return (
    <nav aria-label="Where this is" class="crumbs">
      <ol>
        {model.path(index).map((at) => {
          const name = model.part(at)?.name ?? "";
          const text = at === 0 ? (name === "" ? "main graph" : name) : shortName(name);
          return (
            <li key={at}>
              {at === index ? <span aria-current="page">{text}</span> : <a href={hrefOf(name)}>{text}</a>}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/** Why a block was not understood. */
export function MissNote({ module: { miss, kind, label } }: { readonly module: Module }) {
  if (miss === null) return null;
  return (
    <div class="miss" role="note">
      <p>
        <strong>Not understood: {labelOfModule(kind, label)}</strong> <code>{miss.code}</code>
      </p>
      <dl>
        <dt>at</dt>
        <dd>
          <a href={hrefOf(miss.node)}>{miss.at}</a>
        </dd>
        <dt>wanted</dt>
        <dd>{miss.wanted}</dd>
        <dt>found</dt>
        <dd>{miss.found}</dd>
      </dl>
    </div>
  );
}

/** The adapters of a layer or module. */
export function AdapterLines({ index }: { readonly index: number }) {
  const { model } = useShared();
  const adapters = adaptersIn(model, index);
  if (adapters.length === 0) return null;
  return (
    <ul class="adapters" aria-label="Adapters here">
      {adapters.map(({ site, kind, settings, parameters, bytes, isReplacing }) => (
        <li key={site}>
          <strong>{kind}</strong> {isReplacing ? "in place of" : "at"} <code>{site}</code>
          <span class="muted">
            {settings === "" ? "" : `, ${settings}`}
            {parameters === 0
              ? ", fed at run time"
              : `, ${grouped(parameters)} parameters, ${byteText(bytes)}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** What `tfc explain` says of a block. */
export function Facts({ part }: { readonly part: Part }) {
  if (part.facts.length === 0) return null;
  return (
    <details class="facts" open>
      <summary>What was recognized</summary>
      <dl>{part.facts.map(([label, text]) => [<dt>{label}</dt>, <dd>{text}</dd>])}</dl>
    </details>
  );
}
