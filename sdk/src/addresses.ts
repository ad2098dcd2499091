/** Addresses as they are told: without what should not stand in them, but does. */

/** Names of parameters whose values are secrets, or say who somebody is. */
const SECRET = /pass|pwd|secret|token|auth(?!or)|session|api_?key|signature|^otp|^code$|card|cvv|cvc|iban|ssn|mail|phone/i;
const MAIL = /^[^@\s]+@[^@\s]+\.[^@\s]+$/;
export const MASKED = "masked";

/** The address with such values replaced; also in the query of a router's fragment. */
export function clean(address: string): string {
  try {
    const url = new URL(address);
    url.username = url.password = "";
    mask(url.searchParams);
    const [route, query] = parted(url.hash);
    if (query) {
      const inner = new URLSearchParams(query);
      if (mask(inner)) url.hash = `${route}?${inner}`;
    }
    return url.href;
  } catch {
    return "";
  }
}

/** What a page is called: its path, and a router's fragment. */
export function pageName(address: string): string {
  const url = new URL(address);
  return url.pathname + (/^#[!/]/.test(url.hash) ? parted(url.hash)[0] : "");
}

const parted = (hash: string): [string, string] => {
  const at = hash.indexOf("?");
  return at < 0 ? [hash, ""] : [hash.slice(0, at), hash.slice(at + 1)];
};

function mask(query: URLSearchParams): boolean {
  let any = false;
  for (const [name, value] of [...query])
    if (value !== MASKED && (SECRET.test(name) || MAIL.test(value))) {
      query.set(name, MASKED);
      any = true;
    }
  return any;
}
