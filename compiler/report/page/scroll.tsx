import type { ComponentChildren } from "preact";

interface Props {
  /** What is in it. */
  readonly label: string;
  readonly children: ComponentChildren;
}

/** What may be wider than the page, and is then moved by itself: by keys, too. */
export function Scroll({ label, children }: Props) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      {children}
    </div>
  );
}
