/** Rules of pages, asked in the browser: a single-page application changes its address without asking the server. */

export interface PageRule {
  url: { exact?: string; contains?: string; wildcard?: string };
}

/** Whether `url` satisfies one of the rules; without any, every address does. */
export function matches(rules: readonly PageRule[], url: string): boolean {
  return !rules.length || rules.some(({ url: rule }) => matchesOne(rule, url));
}

function matchesOne(rule: PageRule["url"], url: string): boolean {
  if (rule.contains !== undefined) return plain(url).includes(plain(rule.contains));
  const wild = rule.wildcard !== undefined;
  const wanted = split(rule.exact ?? rule.wildcard ?? "");
  const { protocol, host, pathname, search, hash } = new URL(url);
  const base = /^(https?:)/.test(wanted.base) ? `${protocol}//${host}` : wanted.base.startsWith("//") ? "//" + host : "";
  // The query and the hash are compared only where the rule has them; / at the end makes no difference.
  return (
    same(wanted.base, trimmed(plain(base + pathname)), wild, "/") &&
    (wanted.query === null || same(wanted.query, search.slice(1), wild, "&")) &&
    (wanted.hash === null || same(wanted.hash, trimmed(hash.slice(1)), wild, "/"))
  );
}

function split(rule: string): { base: string; query: string | null; hash: string | null } {
  const [before = "", ...hash] = rule.split("#");
  const [base = "", ...query] = before.split("?");
  return { base: trimmed(plain(base)), query: query.length ? query.join("?") : null, hash: hash.length ? trimmed(hash.join("#")) : null };
}

/** `*` stands for one part or a piece of it, `**` for anything; a whole part `/**` for no part as well. */
function same(rule: string, text: string, wild: boolean, between: string): boolean {
  if (!wild) return rule === text;
  const tokens = rule.match(/\/\*\*(?=\/|$)|\*\*|\*|[^*]/g) || [];
  // Which ends of `text` the tokens so far can reach. No expression is made of what a person wrote.
  let reached = new Set([0]);
  for (const token of tokens) {
    const next = new Set<number>();
    for (const at of reached) {
      if (token === "*") for (let end = at + 1; end <= text.length && text[end - 1] !== between; end++) next.add(end);
      else if (token === "**") for (let end = at; end <= text.length; end++) next.add(end);
      else if (token === "/**") {
        next.add(at);
        if (text[at] === "/") for (let end = at + 1; end <= text.length; end++) next.add(end);
      } else if (text.startsWith(token, at)) next.add(at + token.length);
    }
    reached = next;
  }
  return reached.has(text.length);
}

const trimmed = (text: string): string => text.replace(/\/+$/, "");

/** As a person writes it: with letters beyond ASCII in place of their codes. */
function plain(text: string): string {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}
