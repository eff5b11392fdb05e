/** The symbols of a monomial, sorted, with a sign between that no symbol has; "" for the constant. */
type Monomial = string;

const TIMES = "\u00b7";

/**
 * A polynomial with whole coefficients: what integer arithmetic on sizes and indices makes. Immutable. Equal ones have
 * equal keys, whatever order they were put together in.
 */
export class Polynomial {
  static readonly ZERO = new Polynomial(new Map());
  static readonly ONE = Polynomial.of(1);

  readonly #terms: ReadonlyMap<Monomial, number>;
  #key: string | null = null;

  private constructor(terms: ReadonlyMap<Monomial, number>) {
    this.#terms = terms;
  }

  static of(value: number): Polynomial {
    return value === 0 ? Polynomial.ZERO : new Polynomial(new Map([["", value]]));
  }

  static symbol(name: string): Polynomial {
    return new Polynomial(new Map([[name, 1]]));
  }

  /** A text that is the same for equal polynomials, and can be read. */
  get key(): string {
    return (this.#key ??= this.#text());
  }

  /** The number it is, or null when symbols are in it. */
  get constant(): number | null {
    if (this.#terms.size === 0) return 0;
    return this.#terms.size === 1 ? (this.#terms.get("") ?? null) : null;
  }

  /**
   * Its sign where that is certain, given that no symbol is negative, as sizes and indices never are: 1 or -1; null where
   * it may be zero or depends on the symbols.
   */
  get sign(): 1 | -1 | null {
    const constant = this.#terms.get("") ?? 0;
    const factors = [...this.#terms.values()];
    if (constant > 0 && factors.every((factor) => factor > 0)) return 1;
    return constant < 0 && factors.every((factor) => factor < 0) ? -1 : null;
  }

  /** How many terms it is the sum of. */
  get terms(): number {
    return this.#terms.size;
  }

  /** Each symbol that is in it, alone or in a product. */
  get symbols(): ReadonlySet<string> {
    return new Set([...this.#terms.keys()].flatMap(symbolsOf));
  }

  equals(other: Polynomial): boolean {
    return this.key === other.key;
  }

  plus(other: Polynomial): Polynomial {
    const terms = new Map(this.#terms);
    for (const [monomial, factor] of other.#terms) addTerm(terms, monomial, factor);
    return new Polynomial(terms);
  }

  minus(other: Polynomial): Polynomial {
    return this.plus(other.scaled(-1));
  }

  scaled(by: number): Polynomial {
    if (by === 0) return Polynomial.ZERO;
    return new Polynomial(new Map([...this.#terms].map(([monomial, factor]) => [monomial, factor * by])));
  }

  times(other: Polynomial): Polynomial {
    const terms = new Map<Monomial, number>();
    for (const [a, x] of this.#terms)
      for (const [b, y] of other.#terms)
        addTerm(terms, monomialOf([...symbolsOf(a), ...symbolsOf(b)]), x * y);
    return new Polynomial(terms);
  }

  /** The coefficient of a symbol that stands alone. */
  coefficient(symbol: string): number {
    return this.#terms.get(symbol) ?? 0;
  }

  /** Whether a symbol is in it, alone or in a product. */
  has(symbol: string): boolean {
    return [...this.#terms.keys()].some((monomial) => symbolsOf(monomial).includes(symbol));
  }

  /** What is left without the term of a symbol that stands alone. */
  without(symbol: string): Polynomial {
    return this.minus(Polynomial.symbol(symbol).scaled(this.coefficient(symbol)));
  }

  /**
   * What each of some symbols is multiplied by; null where a term has none of them, or more than one.
   *
   * @returns by symbol, those that are in it alone
   */
  factors(of: ReadonlySet<string>): ReadonlyMap<string, Polynomial> | null {
    const found = new Map<string, Polynomial>();
    for (const [monomial, factor] of this.#terms) {
      const [own, ...more] = symbolsOf(monomial).filter((symbol) => of.has(symbol));
      if (own === undefined || more.length > 0) return null;
      const left = monomialOf(withoutSymbols(symbolsOf(monomial), [own]) ?? []);
      found.set(own, (found.get(own) ?? Polynomial.ZERO).plus(new Polynomial(new Map([[left, factor]]))));
    }
    return found;
  }

  /** The number and the symbols that it is the product of, a symbol as often as it is one; null for a sum and for zero. */
  get product(): { readonly factor: number; readonly symbols: readonly string[] } | null {
    const [term, ...more] = this.#terms;
    if (term === undefined || more.length > 0) return null;
    const [monomial, factor] = term;
    return { factor, symbols: symbolsOf(monomial) };
  }

  /** Whether it is one symbol, once. */
  get isSymbol(): boolean {
    const [only, ...more] = this.#terms;
    return more.length === 0 && only?.[1] === 1 && symbolsOf(only[0]).length === 1;
  }

  /**
   * The largest number it can be, where each symbol runs from 0 to below its extent; null where a symbol has none, in a
   * product, or where it can be negative.
   */
  largest(extents: ReadonlyMap<string, number>): number | null {
    let sum = 0;
    for (const [monomial, factor] of this.#terms) {
      const extent = monomial === "" ? 2 : extents.get(monomial);
      if (extent === undefined || factor < 0) return null;
      sum += factor * (extent - 1);
    }
    return sum;
  }

  /** Quotient and rest, the rest being what no multiple of the divisor's first symbols takes away; null for division by 0. */
  divided(by: Polynomial): { readonly quotient: Polynomial; readonly rest: Polynomial } | null {
    const [leading] = [...by.#terms].sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
    if (leading === undefined) return null;
    const [monomial, factor] = leading;
    const quotient = new Map<Monomial, number>();
    for (const [own, coefficient] of this.#terms) {
      const left = withoutSymbols(symbolsOf(own), symbolsOf(monomial));
      if (left !== null && coefficient % factor === 0) quotient.set(monomialOf(left), coefficient / factor);
    }
    const times = new Polynomial(quotient);
    return { quotient: times, rest: this.minus(times.times(by)) };
  }

  #text(): string {
    if (this.#terms.size === 0) return "0";
    const names = [...this.#terms.keys()].sort((a, b) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
    return names.map((name, i) => termText(name, this.#terms.get(name) ?? 0, i === 0)).join("");
  }
}

function termText(monomial: Monomial, factor: number, isFirst: boolean): string {
  const sign = factor < 0 ? "-" : isFirst ? "" : "+";
  const size = Math.abs(factor);
  if (monomial === "") return `${sign}${size}`;
  return `${sign}${size === 1 ? "" : `${size}${TIMES}`}${monomial}`;
}

function addTerm(terms: Map<Monomial, number>, monomial: Monomial, factor: number): void {
  const sum = (terms.get(monomial) ?? 0) + factor;
  if (sum === 0) terms.delete(monomial);
  else terms.set(monomial, sum);
}

function symbolsOf(monomial: Monomial): readonly string[] {
  return monomial === "" ? [] : monomial.split(TIMES);
}

function monomialOf(symbols: readonly string[]): Monomial {
  return [...symbols].sort().join(TIMES);
}

/** The symbols without those of a divisor, or null where one of these is missing. */
function withoutSymbols(symbols: readonly string[], divisor: readonly string[]): string[] | null {
  const left = [...symbols];
  for (const symbol of divisor) {
    const at = left.indexOf(symbol);
    if (at < 0) return null;
    left.splice(at, 1);
  }
  return left;
}
