import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { hrefOf, useShared } from "./context.ts";
import { titleOf, type PartNode, type PartValue, type Sheet } from "./model.ts";

const providerNames: Readonly<Record<string, string>> = { cpu: "the CPU", cuda: "CUDA", webgpu: "WebGPU" };

export const reasonNames: Readonly<Record<string, string>> = {
  shapes: "arithmetic on shapes stays on the CPU",
  casts: "runs in float on the CPU, with casts around it",
  op: "no kernel of the op",
  version: "no kernel of this version of the op",
  types: "no kernel for its types",
  attributes: "no kernel for its attributes",
};

/** All that is known of one node. */
export function NodeDetails({ sheet, node }: { readonly sheet: Sheet; readonly node: PartNode }) {
  const { model } = useShared();
  const off = Object.entries(node.off ?? {});
  const opened = (node.slots ?? [])
    .map((_, slot) => model.opened(sheet, node, slot))
    .filter((at) => at !== null);
  return (
    <div class="details">
      <h4>
        <code>{titleOf(node)}</code> <span class="name">{node.name}</span>
      </h4>
      <dl>
        {node.attributes === undefined ? null : <Fact label="attributes">{node.attributes}</Fact>}
        {node.roles === undefined ? null : <Fact label="role">{node.roles.join(", ")}</Fact>}
        <Fact label="reads">
          <Values sheet={sheet} indices={node.in} />
        </Fact>
        <Fact label="makes">
          <Values sheet={sheet} indices={node.out} />
        </Fact>
        {off.map(([provider, reason]) => (
          <Fact key={provider} label={`not on ${providerNames[provider] ?? provider}`}>
            {reasonNames[reason ?? ""] ?? reason}
          </Fact>
        ))}
        {opened.length === 0 ? null : (
          <Fact label="opens">
            {opened.map((part) => {
              const name = model.part(part)?.name ?? "";
              return (
                <a key={part} href={hrefOf(name)}>
                  {name}
                </a>
              );
            })}
          </Fact>
        )}
      </dl>
    </div>
  );
}

function Fact({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Values({ sheet, indices }: { readonly sheet: Sheet; readonly indices: readonly number[] }) {
  const values = indices.flatMap((i) => sheet.values[i] ?? []);
  if (values.length === 0) return <>nothing</>;
  return (
    <ul>
      {values.map((value, i) => (
        <li key={i}>
          <ValueText {...{ sheet, value }} />
        </li>
      ))}
    </ul>
  );
}

function ValueText({ sheet, value }: { readonly sheet: Sheet; readonly value: PartValue }) {
  const { finder } = useShared();
  const { name, type, kind, text, maker } = value;
  const link = maker === null ? null : finder.linkTo({ part: sheet.index, node: maker });
  return (
    <>
      {link === null ? <code>{name}</code> : <a href={hrefOf(link)}>{name}</a>}{" "}
      <span class="muted">
        {type} {text} {kind === "weight" ? "weight" : kind === "fed" ? "fed at run time" : ""}
      </span>
    </>
  );
}

/** The nodes of a part as a table: what the picture shows, for who does not see it. */
export function NodeList({ sheet, chosen }: { readonly sheet: Sheet; readonly chosen: number | null }) {
  const [isReady, setReady] = useState(false);
  // Behind the first picture: addresses of nodes are found among all names of the model.
  useEffect(() => {
    const timer = setTimeout(() => setReady(true), 30);
    return () => clearTimeout(timer);
  }, []);
  return (
    <details class="list">
      <summary>
        {sheet.nodes.length} {sheet.nodes.length === 1 ? "node" : "nodes"} as a list
      </summary>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Nodes of ${sheet.part.name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">node</th>
              <th scope="col">op</th>
              <th scope="col">reads</th>
              <th scope="col">makes</th>
            </tr>
          </thead>
          <tbody>{isReady ? <NodeRows sheet={sheet} chosen={chosen} /> : null}</tbody>
        </table>
      </div>
    </details>
  );
}

function NodeRows({ sheet, chosen }: { readonly sheet: Sheet; readonly chosen: number | null }) {
  const { finder, model } = useShared();
  return (
    <>
      {sheet.nodes.map((node) => {
        const opened = node.kind === undefined ? null : model.opened(sheet, node);
        const link =
          opened === null
            ? finder.linkTo({ part: sheet.index, node: node.index })
            : (model.part(opened)?.name ?? "");
        return (
          <tr key={node.index} class={node.index === chosen ? "chosen" : ""}>
            <th scope="row">
              <a href={hrefOf(link)}>{node.name}</a>
            </th>
            <td>
              {node.kind ?? titleOf(node)}
              {node.roles === undefined ? null : <small>{node.roles.join(", ")}</small>}
            </td>
            <td>{namesOf(sheet, node.in)}</td>
            <td>{namesOf(sheet, node.out)}</td>
          </tr>
        );
      })}
    </>
  );
}

function namesOf({ values }: Sheet, indices: readonly number[]): string {
  return indices.flatMap((i) => values[i]?.name ?? []).join(", ");
}
