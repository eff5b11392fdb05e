/** Whether an error is what the system said of a call. Not by its class: another realm has classes of its own. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === "object" && error !== null && "code" in error && "syscall" in error;
}
