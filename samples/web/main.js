// One session for base and adapter: the adapter's tensors are inputs of the graph, and each answer chooses.
import model from "../models/austen-llama/dynamo/model.onnx?tfc&adapter=scalarlm&adapters=inputs";
import trained from "../models/austen-llama/adapters.safetensors?url";

const [form, output, status] = ["form", "output", "[role=status]"].map((one) => document.querySelector(one));
// ?provider=webgpu, ?tokens=80
const { provider, tokens = 40 } = Object.fromEntries(new URLSearchParams(location.search));
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(2)} s`;

const start = performance.now();
try {
  const session = await model.createSession(provider === undefined ? {} : { provider });
  await session.addAdapter("trained", new URL(trained, location.href));
  status.textContent = `Loaded in ${seconds(start)}; ${model.adapters.length} places for adapters.`;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { prompt, adapter } = Object.fromEntries(new FormData(form));
    form.elements.namedItem("prompt").readOnly = true;
    session.useAdapter(adapter === "" ? null : adapter);
    output.textContent = prompt;
    const answer = session.generate({ prompt, maxNewTokens: Number(tokens) });
    for await (const text of answer) output.append(text);
    const { ids, decode } = await answer.result();
    output.dataset.ids = ids.join();
    status.textContent = `${ids.length} tokens, ${decode.toFixed(1)} per second.`;
    form.elements.namedItem("prompt").readOnly = false;
  });
  form.querySelector("button").disabled = false;
} catch (error) {
  status.textContent = `${error}`;
  throw error;
}
