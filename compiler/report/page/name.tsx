/** A name that may break behind its words: `post_`, `attention_`, `layernorm`. */
export function Name({ text }: { readonly text: string }) {
  return <>{text.split(/(?<=[._])/).flatMap((word, i) => (i === 0 ? [word] : [<wbr key={i} />, word]))}</>;
}
