import type { ProviderPlacement } from "../data.ts";
import { Bar } from "./bar.tsx";
import { useShared } from "./context.ts";
import { labelOfModule } from "./model.ts";
import { reasonNames } from "./node.tsx";
import { grouped } from "./numbers.ts";
import { Name } from "./name.tsx";
import { Scroll } from "./scroll.tsx";

const names: Readonly<Record<string, string>> = { cpu: "CPU", cuda: "CUDA", webgpu: "WebGPU" };

/** Where the nodes run, by provider and module. */
export function Placement() {
  const { placement } = useShared().model.data;
  const labels = [...new Set(placement.flatMap(({ modules }) => modules.map(labelIn)))];
  return (
    <section aria-labelledby="placement">
      <h2 id="placement">Where it runs</h2>
      {placement.length === 0 ? (
        <p>Not said: its functions, written out, are too many nodes.</p>
      ) : (
        <>
          <p class="muted">
            Predicted for onnxruntime {placement[0]?.onnxruntime}, of the graph as it is written: nodes on the
            provider, of all.
          </p>
          <Scroll label="Where it runs">
            <table>
              <thead>
                <tr>
                  <th scope="col">module</th>
                  {placement.map(({ provider }) => (
                    <th key={provider} scope="col">
                      {names[provider] ?? provider}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {labels.map((label) => (
                  <tr key={label}>
                    <th scope="row">
                      <Name text={label} />
                    </th>
                    {placement.map((one) => (
                      <td key={one.provider}>
                        <Share
                          {...(one.modules.find((row) => labelIn(row) === label) ?? { on: 0, off: 0 })}
                        />
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
              <tfoot>
                <tr>
                  <th scope="row">all</th>
                  {placement.map(({ provider, on, off }) => (
                    <td key={provider}>
                      <Share on={on} off={off} />
                    </td>
                  ))}
                </tr>
              </tfoot>
            </table>
          </Scroll>
          {placement.map((one) => (
            <Elsewhere key={one.provider} placement={one} />
          ))}
        </>
      )}
    </section>
  );
}

function labelIn({ kind, label }: ProviderPlacement["modules"][number]): string {
  return labelOfModule(kind, label);
}

function Share({ on, off }: { readonly on: number; readonly off: number }) {
  const all = on + off;
  if (all === 0) return <span class="muted">–</span>;
  return (
    <Bar
      share={on / all}
      look="op"
      text={off === 0 ? `all ${grouped(all)}` : `${grouped(on)} of ${grouped(all)}`}
    />
  );
}

/** What is not on a provider, and why. */
function Elsewhere({ placement }: { readonly placement: ProviderPlacement }) {
  const { provider, reasons, off, copies } = placement;
  if (off === 0) return null;
  const name = names[provider] ?? provider;
  return (
    <details>
      <summary>
        {grouped(off)} {off === 1 ? "node" : "nodes"} not on {name}: {copies.in} copies to it and {copies.out}{" "}
        from it in each run
      </summary>
      <Scroll label={`Nodes not on ${name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">op</th>
              <th scope="col" class="number">
                nodes
              </th>
              <th scope="col">why</th>
            </tr>
          </thead>
          <tbody>
            {reasons.map(({ op, reason, count }) => (
              <tr key={`${op} ${reason}`}>
                <th scope="row">{op}</th>
                <td class="number">{grouped(count)}</td>
                <td>{reasonNames[reason] ?? reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}
