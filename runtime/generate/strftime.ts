const MONTHS = "January February March April May June July August September October November December".split(
  " ",
);
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const codes: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => (DAYS[date.getDay()] ?? "").slice(0, 3),
  A: (date) => DAYS[date.getDay()] ?? "",
  b: (date) => (MONTHS[date.getMonth()] ?? "").slice(0, 3),
  B: (date) => MONTHS[date.getMonth()] ?? "",
  d: (date) => pad(date.getDate()),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  j: (date) => pad(dayOfYear(date), 3),
  m: (date) => pad(date.getMonth() + 1),
  M: (date) => pad(date.getMinutes()),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  S: (date) => pad(date.getSeconds()),
  w: (date) => String(date.getDay()),
  y: (date) => pad(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  "%": () => "%",
};

/**
 * A date as Python's strftime writes it in the locale C, which templates are written for; `%-d` is a number without
 * zeros in front. A code that is not known stays as it is.
 */
export function strftime(format: string, date: Date): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, plain: string, code: string) => {
    const text = codes[code]?.(date);
    if (text === undefined) return whole;
    return plain === "" ? text : text.replace(/^0+(?=\d)/, "");
  });
}

function pad(n: number, width = 2): string {
  return String(n).padStart(width, "0");
}

function dayOfYear(date: Date): number {
  const days =
    Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0);
  return Math.round(days / 86_400_000);
}
