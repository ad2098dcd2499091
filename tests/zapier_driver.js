'use strict';
// Runs parts of the app in Zapier's own runtime: one JSON line in, one line out that begins with @@.
const readline = require('readline');
const zapier = require('zapier-platform-core');

const App = require(process.argv[2]);
const tester = zapier.createAppTester(App);
const say = (data) => process.stdout.write(`@@${JSON.stringify(data)}\n`);

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { path, bundle } = JSON.parse(line);
  try {
    if (path === 'validate') {
      const answer = await zapier.createAppHandler(App)({ command: 'validate' });
      return say({ ok: answer.results });
    }
    const part = path.split('.').reduce((inner, name) => inner[name], App);
    say({ ok: await tester(part, bundle) });
  } catch (error) {
    say({ error: error.name, message: error.message });
  }
});
