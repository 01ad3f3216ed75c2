// Contends for a floor and says what happens, a line of JSON each: node contender.mjs SCRIPT URL ROOM NAME PART JSON
//
// contend  {contenders, rounds, hold_ms, settings}: take turns; while holding, write the token where only
//          what is fenced is taken
// hold     {priority, observed_token, settings}: hold until it is lost

import { readFileSync } from 'node:fs';
import { createClient } from 'redis';
import { Floor } from './floor.mjs';

const FENCED = "if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[2]) or '0') then return 0 end "
  + "redis.call('SET', KEYS[2], ARGV[1]) redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2]) return 1";

const [scriptPath, url, room, name, part, json] = process.argv.slice(2);
const told = JSON.parse(json);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

const redis = createClient(url.startsWith('unix://') ? { socket: { path: new URL(url).pathname } } : { url });
redis.on('error', (error) => process.stderr.write(`${error.message}\n`));
await redis.connect();
const floor = await Floor.open(redis, room, readFileSync(scriptPath, 'utf8'), told.settings);

async function turns(who) {
  const fence = [`test:writes:${room}`, `test:writes:${room}:fence`];
  for (let round = 0; round < told.rounds; round += 1) {
    await floor.hold(who, async (grant) => {
      for (const step of ['in', 'out']) {
        if (grant.valid()) {
          await redis.eval(FENCED, { keys: fence, arguments: [grant.token, `${who} ${step}`] });
          if (step === 'in' && told.hold_ms) await sleep(told.hold_ms);
        }
      }
    });
  }
}

if (part === 'contend') {
  say({ ready: name });
  const all = [];
  for (let n = 0; n < told.contenders; n += 1) all.push(turns(`${name}-${n}`));
  await Promise.all(all);
  say({ done: name, calls: floor.calls });
} else if (part === 'hold') {
  floor.onQueued = (who, position) => say({ position });
  say({ ready: name });
  const grant = await floor.acquire(name, { priority: told.priority, observedToken: told.observed_token });
  let last = performance.now();
  const watch = setInterval(() => {
    const now = performance.now();
    // The first thing that runs after a stop, before any reply was read.
    if (now - last > 300) say({ woke: true, valid: grant.valid(), until_passed: now > grant.untilMs });
    last = now;
  }, 20);
  say({ token: grant.token });
  const how = await grant.lost;
  setImmediate(() => clearInterval(watch));
  say({ lost: how.reason, by: how.by ?? '', type: how.type ?? '' });
}
await floor.close();
redis.destroy();
