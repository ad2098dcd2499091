// Builds all that is committed or published: the scripts that the collector serves, and the npm package in dist/.
import { build } from "esbuild";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const served = process.env.AGENT_OUT || join(here, "..", "arrivals", "collect", "static");
const SCRIPTS = { index: "agent", surveys: "agent-surveys", picker: "agent-picker" };
const common = { bundle: true, minify: true, target: "es2020", charset: "utf8", legalComments: "none", logLevel: "warning" };

mkdirSync(served, { recursive: true });
mkdirSync(join(here, "dist"), { recursive: true });
for (const [entry, name] of Object.entries(SCRIPTS)) {
  const source = join(here, "src", `${entry}.ts`);
  if (!existsSync(source)) continue;
  const outfile = join(served, `${name}.js`);
  await build({ ...common, entryPoints: [source], outfile, format: "iife" });
  const text = readFileSync(outfile);
  writeFileSync(`${outfile}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
  console.log(`${name}.js: ${text.length} bytes, ${gzipSync(text, { level: 9 }).length} gzipped`);
}
copyFileSync(join(served, "agent.js"), join(here, "dist", "agent.js"));
const entry = join(here, "src", "module.ts");
await build({ ...common, minify: false, entryPoints: [entry], format: "esm", outfile: join(here, "dist", "module.js") });
const words = readFileSync(join(here, "src", "types.ts"), "utf8");
const exported = "\nexport declare const arrivals: Arrivals;\nexport default arrivals;\n";
writeFileSync(join(here, "dist", "module.d.ts"), words + exported);
