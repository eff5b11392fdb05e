import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { goTo, isAt, useShared } from "./context.ts";
import type { Found } from "./finder.ts";
import { focusPicture } from "./focus.ts";
import { lastName } from "./model.ts";
import { grouped } from "./numbers.ts";

/** Search by name over modules, nodes, values and weights. */
export function Search() {
  const { finder } = useShared();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [hasFocus, setFocus] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target === input.current;
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  const { found, total } = finder.search(text);
  const links = found.map((one) => finder.linkTo(one));
  const go = (link: string | undefined): void => {
    if (link === undefined) return;
    setText("");
    // What is shown already has no other address to go to.
    if (isAt(link)) focusPicture();
    else goTo(link);
    document.getElementById("viewer")?.scrollIntoView();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") setAt(Math.min(at + 1, found.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
    else if (event.key === "Enter") go(links[at]);
    else if (event.key === "Escape") setText("");
    else return;
    event.preventDefault();
  };
  const isOpen = hasFocus && text.trim() !== "";
  return (
    <search class="search">
      <label for="search">Search</label>
      <input
        {...{
          ref: input,
          id: "search",
          type: "search",
          value: text,
          autocomplete: "off",
          spellcheck: false,
          list: undefined,
        }}
        role="combobox"
        aria-expanded={isOpen}
        aria-controls="found"
        aria-autocomplete="list"
        {...(isOpen && found.length > 0 ? { "aria-activedescendant": `found-${at}` } : {})}
        placeholder="node, weight or module  /"
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
        onFocus={() => setFocus(true)}
        onBlur={() => setFocus(false)}
      />
      <Results {...{ found, total, at, isOpen }} onGo={(i) => go(links[i])} />
    </search>
  );
}

interface ResultsProps {
  readonly found: readonly Found[];
  readonly total: number;
  /** The one that Enter takes. */
  readonly at: number;
  readonly isOpen: boolean;
  readonly onGo: (index: number) => void;
}

function Results({ found, total, at, isOpen, onGo }: ResultsProps) {
  const more = total > found.length ? `, ${found.length} shown` : "";
  const list = useRef<HTMLUListElement>(null);
  useLayoutEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [at, found]);
  return (
    // The field keeps the focus when one of them is clicked.
    <div class="found" hidden={!isOpen} onMouseDown={(event) => event.preventDefault()}>
      <p role="status">{total === 0 ? "nothing has this name" : `${grouped(total)} found${more}`}</p>
      <ul ref={list} id="found" role="listbox" aria-label="Found" tabIndex={-1}>
        {found.map(({ name, what, where, sites }, i) => (
          <li
            {...{ key: i, id: `found-${i}`, role: "option", "aria-selected": i === at }}
            onClick={() => onGo(i)}
          >
            <span class="name">{name}</span>{" "}
            <span class="muted">
              {[what, ...sites.map(lastName)].join(", ")}
              {where === "" ? "" : ` in ${where}`}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
