/** What holds where a page says nothing. */

import type { Options } from "./types.ts";

export const DEFAULTS = {
  autocapture: true,
  maskText: false,
  respectDnt: false,
  consent: "granted",
  crossSubdomain: false,
  sessionMinutes: 30,
  flushMs: 1_000,
  surveys: true,
  debug: false,
} as const;

/** The options that are given, without those that are there but undefined. */
export const given = <T extends Partial<Options>>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter((one) => one[1] !== undefined)) as T;
