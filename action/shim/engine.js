'use strict';

// Finds the program for this runner, makes sure that it is the one that was released with this commit, and runs it. Everything else is the
// program's. No dependency: what is read here is all that runs.

const { spawn } = require('node:child_process');
const { createHash, randomUUID } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const NAME = 'spawn-action';
const RELEASES = 'https://github.com/spawn-dev/terraform-provider-spawn/releases/download';
/** What there is a program for, in Node's words, and what it is called in a release. */
const PLATFORMS = { 'linux x64': 'linux_amd64', 'linux arm64': 'linux_arm64' };
const ATTEMPTS = 3;
const PAUSE_MS = 1_000;
const DOWNLOAD_MS = 120_000;
/** By which post knows that there is something to clean up after. */
const STARTED = 'engine-started';

async function run(verb) {
  try {
    // Where main found no program to start, it has said so, and nothing was launched.
    if (verb === 'post' && !process.env[`STATE_${STARTED}`]) return;
    const program = await find();
    if (verb === 'main') remember();
    process.exitCode = await follow(program, verb);
  } catch (error) {
    console.log(`::error title=${NAME}::${escaped(reasons(error))}`);
    process.exitCode = 1;
  }
}

/** The path of the program: the one that is asked for, else the released one. */
async function find() {
  const asked = (process.env['INPUT_ENGINE-PATH'] ?? '').trim();
  if (asked) return path.resolve(process.env.GITHUB_WORKSPACE || '.', asked);

  const here = `${process.platform} ${process.arch}`;
  const platform = PLATFORMS[here];
  if (!platform) {
    throw new Error(`There is no program for ${here}, only for ${Object.keys(PLATFORMS).join(' and ')}. Set engine-path to one of your own.`);
  }
  const { version, sha256 } = JSON.parse(fs.readFileSync(path.join(__dirname, 'hashes.json'), 'utf8'));
  const file = `${NAME}_${version}_${platform}`;
  const wanted = sha256[file];
  if (!/^[0-9a-f]{64}$/.test(wanted ?? '')) {
    throw new Error(
      `This commit of the Action knows no released program for ${here} (${file}): it is not the commit of a release. ` +
        'Use one of a release, or set engine-path.',
    );
  }
  return cached(version, file, wanted);
}

/** The released program in the runner's tool cache, put there if it is missing. */
async function cached(version, file, wanted) {
  const cache = process.env.RUNNER_TOOL_CACHE || process.env.RUNNER_TEMP || os.tmpdir();
  const directory = path.join(cache, NAME, version, process.arch);
  const program = path.join(directory, NAME);
  const complete = `${directory}.complete`;
  if (fs.existsSync(complete) && fs.existsSync(program)) {
    // A runner of one's own keeps its cache, and other jobs have written there since.
    check(fs.readFileSync(program), wanted, program, 'Somebody has changed it: look who, and remove it.');
    return program;
  }
  const url = `${process.env.SPAWN_ACTION_RELEASES || RELEASES}/v${version}/${file}`;
  const content = await download(url);
  check(content, wanted, url, 'It is not what was released: nothing of it was kept.');
  fs.mkdirSync(directory, { recursive: true });
  // Made aside and moved to its place: another job may do the same at this moment.
  const aside = `${program}.${randomUUID()}`;
  fs.writeFileSync(aside, content, { mode: 0o755 });
  fs.renameSync(aside, program);
  fs.writeFileSync(complete, '');
  return program;
}

function check(content, wanted, where, then) {
  const found = createHash('sha256').update(content).digest('hex');
  if (found !== wanted) throw new Error(`${where} has the SHA-256 ${found}, and not ${wanted}. ${then}`);
}

async function download(url) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      throw Object.assign(new Error(`the server answers ${answer.status}`), { final: answer.status < 500 && answer.status !== 429 });
    } catch (cause) {
      if (cause.final || attempt === ATTEMPTS) throw new Error(`${url} cannot be fetched`, { cause });
      await new Promise((wait) => setTimeout(wait, PAUSE_MS * attempt));
    }
  }
}

function remember() {
  if (process.env.GITHUB_STATE) fs.appendFileSync(process.env.GITHUB_STATE, `${STARTED}=true\n`);
}

/**
 * Runs the program to its end, and answers with its exit code. A cancelled job signals this process alone, and kills it some seconds later: the
 * program gets every signal, and is waited for.
 */
function follow(program, verb) {
  return new Promise((resolve, reject) => {
    let child;
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
    child = spawn(program, [verb], { stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(signal ? 128 + os.constants.signals[signal] : code));
  });
}

/** What an error says, and those that it comes from. */
function reasons(error) {
  return error.cause ? `${error.message}: ${reasons(error.cause)}` : error.message;
}

/** Text as the value of a workflow command. */
function escaped(text) {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

module.exports = { run };
