/** The bytes at a URL. @throws Error with what is wrong */
export async function fetched(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`an answer of status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
