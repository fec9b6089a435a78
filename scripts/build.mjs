// Compiles src into dist, and the console into dist/web, compressed as it is served; on a first install there is nothing else to prepare.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

rmSync('dist', { recursive: true, force: true });
const tsc = (project) => execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], { stdio: 'inherit' });
tsc('tsconfig.json');
chmodSync('dist/cli/main.js', 0o755);

// The console is plain ES modules: no bundler to install, nothing that a strict content security policy would have to allow.
tsc('src/console/tsconfig.json');
const web = 'dist/web';
const VENDOR = {
  'preact/jsx-runtime': ['preact/jsx-runtime/dist/jsxRuntime.mjs', 'jsx-runtime.js'],
  'preact/hooks': ['preact/hooks/dist/hooks.mjs', 'hooks.js'],
  preact: ['preact/dist/preact.mjs', 'preact.js'],
};
mkdirSync(join(web, 'vendor'), { recursive: true });
for (const [from, to] of Object.values(VENDOR)) copyFileSync(join('node_modules', from), join(web, 'vendor', to));
copyFileSync('src/console/style.css', join(web, 'style.css'));
copyFileSync('src/console/index.html', join(web, 'index.html'));
// Types came along with nothing in them.
for (const other of ['barriers', 'model']) rmSync(join(web, other), { recursive: true, force: true });
rmSync(join(web, 'console/types.js'), { force: true });
for (const entry of readdirSync(web, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  let text = readFileSync(path, 'utf8');
  if (path.endsWith('.js')) {
    for (const [name, [, file]] of Object.entries(VENDOR))
      text = text
        .replaceAll(`from"${name}"`, `from"/assets/vendor/${file}"`)
        .replaceAll(`from "${name}"`, `from "/assets/vendor/${file}"`)
        .replaceAll(`from '${name}'`, `from '/assets/vendor/${file}'`)
        .replaceAll(`import"${name}"`, `import"/assets/vendor/${file}"`);
    text = text.replace(/\n?\/\/# sourceMappingURL=.*/, '');
    writeFileSync(path, text);
  }
  writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
}
