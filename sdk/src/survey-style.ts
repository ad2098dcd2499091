/** How a survey looks: one sheet for its shadow root, so that neither the page's styles nor its policy touch it. */

export interface Look {
  accent: string;
  ink: string;
  theme: string;
  position: string;
}

const LIGHT = "--card:#fff;--text:#1d2321;--soft:#5d6662;--line:#c9cfcb;--field:#fff;--shadow:0 6px 28px rgb(0 0 0/22%)";
const DARK = "--card:#1f2423;--text:#eceff0;--soft:#a9b3af;--line:#4a534f;--field:#171b1a;--shadow:0 6px 28px rgb(0 0 0/60%)";

/** The sheet's text. Colours are checked: nothing but #rrggbb gets into it. */
export function style(look: Look): string {
  const colour = (value: string, other: string) => (/^#[0-9a-f]{6}$/i.test(value) ? value : other);
  return `
:host{all:initial;${look.theme === "dark" ? DARK : LIGHT};--accent:${colour(look.accent, "#2a6b5a")};--ink:${colour(look.ink, "#ffffff")}}
${look.theme === "auto" ? `@media (prefers-color-scheme:dark){:host{${DARK}}}` : ""}
*{box-sizing:border-box}
.frame{position:fixed;z-index:2147483000;inset:auto 20px 20px auto;width:420px;max-width:calc(100vw - 40px)}
.bottom_left{inset:auto auto 20px 20px}
.centre{inset:0;width:auto;max-width:none;display:grid;place-items:center;background:rgb(0 0 0/45%);padding:20px}
.contained{position:static;width:100%;max-width:420px}
.card{position:relative;width:100%;max-width:460px;max-height:calc(100vh - 40px);overflow-y:auto;background:var(--card);color:var(--text);border:1px solid var(--line);border-radius:14px;padding:18px 20px;box-shadow:var(--shadow);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;text-align:start}
.card:focus{outline:none}
h2{margin:0 0 14px;padding-inline-end:34px;font-size:16px;line-height:1.35;font-weight:600;overflow-wrap:anywhere}
button,textarea{font:inherit;color:inherit}
button{cursor:pointer;background:var(--field);border:1px solid var(--line);border-radius:9px;min-height:44px}
button:hover{border-color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.close{position:absolute;inset-block-start:8px;inset-inline-end:8px;width:36px;min-height:36px;border:0;background:none;font-size:22px;line-height:1;color:var(--soft)}
.scale{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);gap:4px}
.scale button{padding:0;font-variant-numeric:tabular-nums}
.csat{gap:8px}
.choices{display:grid;gap:8px}
.choices button{padding:9px 14px;text-align:start;overflow-wrap:anywhere}
[role=radio][aria-checked=true],.send{background:var(--accent);border-color:var(--accent);color:var(--ink);font-weight:600}
.ends{display:flex;justify-content:space-between;gap:16px;margin-top:8px;font-size:13px;color:var(--soft)}
.ends span:last-child{text-align:end}
label{display:block;margin:16px 0 6px;font-weight:600}
textarea{display:block;width:100%;min-height:84px;max-height:240px;resize:vertical;background:var(--field);border:1px solid var(--line);border-radius:9px;padding:9px 11px}
.send{padding:0 20px;margin-top:12px}
.said{margin:0;font-size:16px;font-weight:600;padding-inline-end:34px}
.said:empty{display:none}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
[hidden]{display:none!important}
@media (max-width:480px){.frame:not(.centre,.contained){inset:auto 8px 8px 8px;width:auto;max-width:none}.card{padding:16px 14px}.scale{gap:3px}.centre{padding:8px}}
@media (prefers-reduced-motion:no-preference){.frame:not(.contained) .card{animation:in .18s ease-out}@keyframes in{from{opacity:0;transform:translateY(8px)}}}
@media (forced-colors:active){[role=radio][aria-checked=true]{forced-color-adjust:none}}
`;
}

/** Put the sheet into a shadow root: as a constructed one, which no policy of the page forbids. */
export function dress(root: ShadowRoot, look: Look): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(style(look));
    root.adoptedStyleSheets = [sheet];
  } catch {
    const element = document.createElement("style"); // browsers from before 2023
    element.textContent = style(look);
    root.append(element);
  }
}
