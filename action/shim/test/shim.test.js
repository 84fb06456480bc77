'use strict';

// The shim as a runner starts it, with real programs as its children: `node --test action/shim/test/shim.test.js`.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const SHIM = path.join(__dirname, '..');
const PROGRAM = '#!/bin/sh\necho "ran $1"\n';
const OTHER = '#!/bin/sh\necho "ran what nobody released"\n';
const ARCHITECTURE = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const FILE = `spawn-action_1.2.3_linux_${ARCHITECTURE}`;

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** A runner: a copy of the shim that knows PROGRAM, a tool cache, and a file for its state. */
function runner(t, { hashes = { [FILE]: sha256(PROGRAM) } } = {}) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'spawn-shim-'));
  t.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  for (const file of ['main.js', 'post.js', 'engine.js']) fs.copyFileSync(path.join(SHIM, file), path.join(directory, file));
  const at = (...names) => path.join(directory, ...names);
  fs.writeFileSync(at('hashes.json'), JSON.stringify({ version: '1.2.3', sha256: hashes }));
  fs.writeFileSync(at('state'), '');
  fs.mkdirSync(at('workspace'));
  const cache = at('cache', 'spawn-action', '1.2.3');
  const program = path.join(cache, process.arch, 'spawn-action');
  const environment = { PATH: process.env.PATH, GITHUB_STATE: at('state'), GITHUB_WORKSPACE: at('workspace'), RUNNER_TOOL_CACHE: at('cache') };

  /** Starts a stage. What it prints comes together in `printed`. */
  function start(stage, { env = {}, node = [] } = {}) {
    const shim = spawn(process.execPath, [...node, at(`${stage}.js`)], { env: { ...environment, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => shim.kill('SIGKILL'));
    let printed = '';
    shim.stdout.on('data', (data) => (printed += data));
    const ended = once(shim, 'close').then(([code, signal]) => ({ code, signal, printed }));
    /** Waits until something is printed. */
    const prints = async (text) => {
      while (!printed.includes(text)) await Promise.race([once(shim.stdout, 'data'), ended.then(() => assert.fail(`${text}: not in ${printed}`))]);
    };
    return { shim, ended, prints };
  }

  /** A program of the test's own, in JavaScript. */
  function engine(lines) {
    fs.writeFileSync(at('workspace', 'engine'), `#!${process.execPath}\n${lines}\n`, { mode: 0o755 });
    return { 'INPUT_ENGINE-PATH': at('workspace', 'engine') };
  }

  /** Puts a program into the tool cache, as an earlier job has. */
  function cached(content, { complete = true } = {}) {
    fs.mkdirSync(path.dirname(program), { recursive: true });
    fs.writeFileSync(program, content, { mode: 0o755 });
    if (complete) fs.writeFileSync(`${path.dirname(program)}.complete`, '');
  }

  return { start, run: (stage, options) => start(stage, options).ended, engine, cached, program, cache, state: () => fs.readFileSync(at('state'), 'utf8') };
}

/** A server of releases that answers with these, one after the other, and then with the last. */
async function releases(t, ...answers) {
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    const [status, content] = answers[Math.min(asked.length, answers.length) - 1];
    response.writeHead(status).end(content);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  return { asked, env: { SPAWN_ACTION_RELEASES: `http://127.0.0.1:${server.address().port}/releases` } };
}

/** Lines of a program that says when it is ready, and then does nothing until it is told to. */
const WAITS = 'setInterval(() => {}, 1000); console.log("ready");';

test('the exit code is the program\'s', async (t) => {
  const { run, engine } = runner(t);
  for (const code of [0, 1, 77]) {
    const ran = await run('main', { env: engine(`process.exit(${code})`) });
    assert.deepEqual([ran.code, ran.signal], [code, null]);
  }
});

test('a program that dies of a signal is 128 and the signal', async (t) => {
  const { run, engine } = runner(t);
  const ran = await run('main', { env: engine('process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000)') });
  assert.equal(ran.code, 137);
});

test('the program is told the stage, and has the environment and the output', async (t) => {
  const { run, engine } = runner(t);
  const env = { ...engine('console.log(process.argv.slice(2).join(), process.env["INPUT_INSTANCE-TYPES"])'), 'INPUT_INSTANCE-TYPES': 'c7i.large' };
  assert.equal((await run('main', { env })).printed, 'main c7i.large\n');
  const post = await run('post', { env: { ...env, 'STATE_engine-started': 'true' } });
  assert.equal(post.printed, 'post c7i.large\n');
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} reaches the program, which is waited for`, async (t) => {
    const { start, engine } = runner(t);
    // It takes its time to clean up, and the shim has to be there until it is done.
    const lines = `process.on("${signal}", () => { console.log("told"); setTimeout(() => { console.log("done"); process.exit(42) }, 200) });`;
    const { shim, ended, prints } = start('main', { env: engine(lines + WAITS) });
    await prints('ready');
    shim.kill(signal);
    assert.deepEqual(await ended, { code: 42, signal: null, printed: 'ready\ntold\ndone\n' });
  });

  test(`a program that has no answer to ${signal} dies of it`, async (t) => {
    const { start, engine } = runner(t);
    const { shim, ended, prints } = start('main', { env: engine(WAITS) });
    await prints('ready');
    shim.kill(signal);
    assert.equal((await ended).code, 128 + os.constants.signals[signal]);
  });
}

test('a program that ignores the first signal gets the second, and the same one again', async (t) => {
  const { start, engine } = runner(t);
  const lines = 'let times = 0; process.on("SIGINT", () => console.log(`ignored ${++times}`)); process.on("SIGTERM", () => process.exit(5));';
  const { shim, ended, prints } = start('main', { env: engine(lines + WAITS) });
  await prints('ready');
  for (const times of [1, 2]) {
    shim.kill('SIGINT');
    await prints(`ignored ${times}`);
  }
  shim.kill('SIGTERM');
  assert.equal((await ended).code, 5);
});

test('post is signalled as main is', async (t) => {
  const { start, engine } = runner(t);
  const env = { ...engine(`process.on("SIGINT", () => process.exit(9)); ${WAITS}`), 'STATE_engine-started': 'true' };
  const { shim, ended, prints } = start('post', { env });
  await prints('ready');
  shim.kill('SIGINT');
  assert.equal((await ended).code, 9);
});

test('post does nothing where main has started nothing', async (t) => {
  const { run, engine, state } = runner(t, { hashes: {} });
  assert.equal((await run('main')).code, 1);
  assert.equal(state(), '');
  assert.deepEqual(await run('post', { env: engine('console.log("ran")') }), { code: 0, signal: null, printed: '' });
});

test('main remembers that it has started something before it does', async (t) => {
  const { run, engine } = runner(t);
  const ran = await run('main', { env: engine('console.log(require("fs").readFileSync(process.env.GITHUB_STATE, "utf8"))') });
  assert.equal(ran.printed, 'engine-started=true\n\n');
});

test('engine-path is below the workspace, or anywhere', async (t) => {
  const { run, engine } = runner(t);
  engine('console.log("mine")');
  for (const asked of ['engine', './engine', engine('console.log("mine")')['INPUT_ENGINE-PATH']]) {
    assert.equal((await run('main', { env: { 'INPUT_ENGINE-PATH': asked } })).printed, 'mine\n');
  }
});

test('an engine-path that is none is told', async (t) => {
  const { run } = runner(t);
  const ran = await run('main', { env: { 'INPUT_ENGINE-PATH': 'nowhere/spawn-action' } });
  assert.equal(ran.code, 1);
  assert.match(ran.printed, /^::error title=spawn-action::spawn .*\/nowhere\/spawn-action ENOENT\n$/);
});

test('the program of the release is fetched once, and kept', async (t) => {
  const { run, program, cache } = runner(t);
  const { asked, env } = await releases(t, [200, PROGRAM]);
  for (const stage of ['main', 'main', 'post']) {
    const ran = await run(stage, { env: { ...env, 'STATE_engine-started': 'true' } });
    assert.deepEqual(ran, { code: 0, signal: null, printed: `ran ${stage}\n` });
  }
  assert.deepEqual(asked, [`/releases/v1.2.3/${FILE}`]);
  assert.deepEqual(fs.readdirSync(cache).sort(), [process.arch, `${process.arch}.complete`]);
  assert.deepEqual(fs.readdirSync(path.dirname(program)), ['spawn-action']);
});

test('a download that is not what was released is not kept and not run', async (t) => {
  const { run, cache } = runner(t);
  const { env } = await releases(t, [200, OTHER]);
  const ran = await run('main', { env });
  assert.equal(ran.code, 1);
  assert.match(ran.printed, new RegExp(`^::error title=spawn-action::http.* has the SHA-256 ${sha256(OTHER)}, and not ${sha256(PROGRAM)}\\.`));
  assert.equal(fs.existsSync(cache), false);
});

test('a program that was changed in the cache is not run, and not replaced unseen', async (t) => {
  const { run, cached, program } = runner(t);
  const { asked, env } = await releases(t, [200, PROGRAM]);
  cached(PROGRAM);
  assert.equal((await run('main', { env })).printed, 'ran main\n');
  cached(OTHER);
  for (const stage of ['main', 'post']) {
    const ran = await run(stage, { env: { ...env, 'STATE_engine-started': 'true' } });
    assert.equal(ran.code, 1);
    assert.ok(ran.printed.startsWith(`::error title=spawn-action::${program} has the SHA-256 ${sha256(OTHER)}`), ran.printed);
    assert.ok(!ran.printed.includes('nobody released'), ran.printed);
  }
  assert.deepEqual(asked, []);
});

test('what a killed job has left in the cache is fetched again', async (t) => {
  const { run, cached } = runner(t);
  const { asked, env } = await releases(t, [200, PROGRAM]);
  cached(PROGRAM.slice(0, 5), { complete: false });
  assert.equal((await run('main', { env })).printed, 'ran main\n');
  assert.equal(asked.length, 1);
});

test('jobs that fill the cache at once do not disturb each other', async (t) => {
  const { run } = runner(t);
  const { env } = await releases(t, [200, PROGRAM]);
  const jobs = await Promise.all(Array.from({ length: 6 }, () => run('main', { env })));
  for (const job of jobs) assert.deepEqual(job, { code: 0, signal: null, printed: 'ran main\n' });
});

test('without an entry of the table nothing is fetched and nothing is run', async (t) => {
  const tables = [{}, { [FILE]: '' }, { [FILE]: 'abc' }, { 'spawn-action_1.2.4_linux_amd64': sha256(PROGRAM) }];
  for (const hashes of tables) {
    const { run, cached } = runner(t, { hashes });
    const { asked, env } = await releases(t, [200, PROGRAM]);
    cached(PROGRAM);
    const ran = await run('main', { env });
    assert.equal(ran.code, 1);
    assert.match(ran.printed, /knows no released program .* not the commit of a release/);
    assert.deepEqual(asked, []);
  }
});

test('a platform without a program is told what there is', async (t) => {
  const { run } = runner(t);
  for (const [platform, architecture] of [['darwin', 'arm64'], ['win32', 'x64'], ['linux', 'riscv64']]) {
    const fake = `for (const [name, value] of [["platform", "${platform}"], ["arch", "${architecture}"]]) Object.defineProperty(process, name, { value });`;
    const ran = await run('main', { node: ['--import', `data:text/javascript,${encodeURIComponent(fake)}`] });
    assert.equal(ran.code, 1);
    assert.match(ran.printed, new RegExp(`There is no program for ${platform} ${architecture}, only for linux x64 and linux arm64`));
  }
});

test('a server that fails is asked again, and one that knows nothing is not', async (t) => {
  const { run } = runner(t);
  const failing = await releases(t, [503, 'later'], [200, PROGRAM]);
  assert.equal((await run('main', { env: failing.env })).printed, 'ran main\n');
  assert.equal(failing.asked.length, 2);
  const empty = await releases(t, [404, 'no']);
  const ran = await runner(t).run('main', { env: empty.env });
  assert.match(ran.printed, /cannot be fetched: the server answers 404\n$/);
  assert.deepEqual([ran.code, empty.asked.length], [1, 1]);
});

test('the shim can be read in a few minutes', () => {
  const files = ['main.js', 'post.js', 'engine.js'].map((file) => fs.readFileSync(path.join(SHIM, file), 'utf8'));
  assert.ok(files.join('').split('\n').length < 200);
  // What it requires comes with Node.
  for (const [, name] of files.join('').matchAll(/require\('([^']+)'\)/g)) assert.match(name, /^(node:|\.\/engine$)/);
});
