import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { SharedContext } from "./context.ts";
import { Finder, type Place } from "./finder.ts";
import { focusPicture, hasFocus } from "./focus.ts";
import type { Model } from "./model.ts";
import { Placement } from "./placement.tsx";
import { Search } from "./search.tsx";
import { Overview, Ports } from "./summary.tsx";
import { Sizes } from "./sizes.tsx";
import { Changes, Ops, Placed } from "./tables.tsx";
import { Tower } from "./tower.tsx";
import { Training } from "./training.tsx";
import { Viewer } from "./viewer.tsx";

/** The whole page. What is looked at is in its address. */
export function Page({ model }: { readonly model: Model }) {
  const finder = useMemo(() => new Finder(model), [model]);
  const { place, unknown, before } = usePlace(model, finder);
  const { file, base, baseIs } = model.data;
  const shared = useMemo(() => ({ model, finder, place, before }), [model, finder, place, before]);
  useWholePrint();
  return (
    <SharedContext.Provider value={shared}>
      <a class="skip" href="#viewer-start" onClick={skip}>
        Skip to the picture
      </a>
      <header>
        <div class="title">
          <h1>{file.split(/[\\/]/).slice(-2).join("/")}</h1>
          {base === null ? null : (
            <p class="muted">
              {baseIs === "own" ? "compiled from" : "compared with"} {base}
            </p>
          )}
        </div>
        <Search />
      </header>
      <main>
        <Overview />
        <section aria-labelledby="decoder" class="decoder">
          <h2 id="decoder">Decoder</h2>
          {unknown === null ? null : (
            <p class="warning" role="status">
              Nothing here is called <code>{unknown}</code>.
            </p>
          )}
          <div class="split">
            {model.data.layers.length === 0 ? null : <Tower />}
            <div tabIndex={-1} id="viewer-start">
              <Viewer key={place.part} />
            </div>
          </div>
        </section>
        <Sizes />
        <Placed />
        <Changes />
        <Ops />
        <Placement />
        <Training />
        <Ports />
      </main>
      <footer>
        <p>
          Written by <code>tfc report</code>. Names are those of <code>tfc dump</code>; each is an address of
          this page, behind <code>#</code>.
        </p>
      </footer>
    </SharedContext.Provider>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("viewer")?.scrollIntoView();
  focusPicture();
}

/** What is looked at. */
interface Looked {
  readonly place: Place;
  /** The name in the address, where nothing has it. */
  readonly unknown: string | null;
  /** The part that was looked at before. */
  readonly before: number | null;
}

/** What the address names. */
function usePlace(model: Model, finder: Finder): Looked {
  const read = (old: Looked | null): Looked => {
    const name = decoded(window.location.hash.slice(1));
    const found = name === "" ? null : finder.find(name);
    const place = found === null ? firstOf(model) : moduleAt(model, found);
    const before = old !== null && old.place.part !== place.part ? old.place.part : (old?.before ?? null);
    return { place, unknown: found === null && name !== "" ? name : null, before };
  };
  const [state, setState] = useState(() => read(null));
  const leads = useRef(false);
  useEffect(() => {
    const onChange = (): void => {
      leads.current = hasFocus("#viewer, #search");
      setState(read);
    };
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  useLayoutEffect(() => {
    // What had the focus may have gone with the part that it was in: keys go on in the picture of the next.
    if (leads.current && !hasFocus("#viewer")) focusPicture();
    leads.current = false;
  }, [state]);
  return state;
}

/** A module's own picture, where a node of its layer is one. */
function moduleAt(model: Model, place: Place): Place {
  const sheet = place.node === null ? null : model.sheet(place.part);
  const node = sheet?.nodes[place.node ?? -1];
  const opened = sheet === null || node?.kind === undefined ? null : model.opened(sheet, node);
  return opened === null ? place : { part: opened, node: null };
}

/** A layer with something that was missed, else the first layer, else the whole graph. */
function firstOf({ data }: Model): Place {
  const missed = data.layers.find(({ modules }) => modules.some(({ miss }) => miss !== null));
  return { part: (missed ?? data.layers[0])?.part ?? 0, node: null };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** On paper nothing can be opened: all is. */
function useWholePrint(): void {
  useEffect(() => {
    const open = (): void => {
      for (const one of document.querySelectorAll("details:not([open])")) {
        one.setAttribute("open", "");
        one.setAttribute("data-printed", "");
      }
    };
    const close = (): void => {
      for (const one of document.querySelectorAll("details[data-printed]")) {
        one.removeAttribute("open");
        one.removeAttribute("data-printed");
      }
    };
    window.addEventListener("beforeprint", open);
    window.addEventListener("afterprint", close);
    return () => {
      window.removeEventListener("beforeprint", open);
      window.removeEventListener("afterprint", close);
    };
  }, []);
}
