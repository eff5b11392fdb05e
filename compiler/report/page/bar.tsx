interface Props {
  /** From 0 to 1. */
  readonly share: number;
  readonly look: string;
  readonly text: string;
}

/** A share as a bar with its number beside it. */
export function Bar({ share, look, text }: Props) {
  return (
    <span class="share">
      <svg class={`bar ${look}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="whole" width="100" height="8" />
        <rect width={Math.max(share > 0 ? 0.6 : 0, 100 * share)} height="8" />
      </svg>
      <span class="text">{text}</span>
    </span>
  );
}
