/** GeneralizedTime as directories write it in timestamps (RFC 4517 section 3.3.13), in whole seconds of UTC. */

/** Gives seconds since 1970; `undefined` for what is no timestamp of a directory. */
export function readTime(text: string): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:[.,]\d+)?Z$/.exec(text) ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** Writes seconds since 1970. The fraction is what Active Directory insists on, and others take. */
export function writeTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace(/\D/g, '').slice(0, 14)}.0Z`;
}
