// The floor of one room by docs/protocol.md, on the npm package `redis`.

import { createHash, randomBytes } from 'node:crypto';

export const SETTINGS = {
  lease_ms: 2000, guard_ms: 200, take_up_ms: 1000, grace_ms: 0, max_queue: 256, age_step_ms: 10000,
  person_lease_ms: 2000, person_stale_ms: 30000, tokens_kept: 1024, max_turn_ms: 60000, silent_ms: 15000,
  room_idle_ms: 0, backchannel_ms: 0,
};
export const MARGIN_MS = 100;
const JITTER_MS = 30;
const RECHECK_MS = 10000;
const BLOCK_MS = 2000;
const CALL_LIMIT_MS = 2000;

export function keysOf(room) {
  const own = (part) => `swarm:{${room}}:${part}`;
  return [
    `conversation_stream:{${room}}`, own('meta'), own('floor'), own('queue'), own('order'), own('people'),
    own('tokens'), own('requests'), own('request_ages'), own('roster'),
  ];
}

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** A request that ended without the floor. */
export class DeniedError extends Error {}

/** A grant as its holder sees it: local, monotonic, without I/O. A lapse is final. */
class Grant {
  constructor(floor, participant, granted, sentMs) {
    Object.assign(this, { floor, participant, token: granted.token, how: null });
    this.lost = new Promise((tell) => { this.tell = tell; });
    this.maySpeakFromMs = performance.now() + granted.guardMs;
    this.#extend(granted, sentMs);
  }

  valid() {
    return this.how === null && performance.now() < this.untilMs;
  }

  end(how) {
    if (this.how !== null) return;
    this.how = how;
    clearTimeout(this.renewal);
    clearTimeout(this.lapse);
    this.floor.grants.delete(this);
    this.tell(how);
  }

  async release(tailDone = true) {
    if (this.how !== null) return false;
    this.end({ reason: 'released' });
    const reply = await this.floor.command('release', {
      participant: this.participant, token: this.token, tail_done: tailDone, to: '', reason: '',
    }, this.participant);
    return reply.tag === 'changed';
  }

  #extend(granted, sentMs) {
    // From before the call was sent, so that the local view ends first wherever the reply was delayed.
    this.untilMs = sentMs + granted.remainingMs - MARGIN_MS;
    clearTimeout(this.lapse);
    this.lapse = setTimeout(() => this.end({ reason: 'lease' }), Math.max(0, this.untilMs - performance.now()));
    this.renewal = setTimeout(() => this.#renew(), granted.leaseMs / 3);
  }

  async #renew() {
    const sentMs = performance.now();
    try {
      const reply = await this.floor.command('renew', {
        participant: this.participant, token: this.token, sounding: true,
      }, this.participant);
      if (this.how !== null) return;
      if (reply.tag !== 'granted') this.end({ reason: 'stale' });
      else if (this.valid()) this.#extend(reply, sentMs);
      else this.end({ reason: 'lease' });
    } catch {
      // Redis is away: asked again until the local deadline.
      if (this.valid()) this.renewal = setTimeout(() => this.#renew(), 50);
    }
  }
}

/** The floor of one room. `await Floor.open(...)`, then `hold`; `close` at the end. */
export class Floor {
  static async open(redis, room, script, settings = {}) {
    const floor = new Floor();
    Object.assign(floor, {
      redis, room, script, keys: keysOf(room), settings: JSON.stringify({ ...SETTINGS, ...settings }),
      sha1: createHash('sha1').update(script).digest('hex'),
      source: `node-${randomBytes(4).toString('hex')}`,
      grants: new Set(), waiters: new Map(), token: 0n, clockMs: null, due: null, closed: false, calls: 0,
    });
    await floor.#learnTime();
    const newest = await redis.xRevRange(floor.keys[0], '+', '-', { COUNT: 1 });
    floor.reader = redis.duplicate();
    floor.reader.on('error', () => {});
    await floor.reader.connect();
    floor.reading = floor.#read(newest.length ? newest[0].id : '0-0');
    return floor;
  }

  async close() {
    this.closed = true;
    clearTimeout(this.timer);
    await Promise.all([...this.grants].map((grant) => grant.release(false)));
    this.reader.destroy();
    await this.reading;
  }

  /** One command of the script. Tokens stay strings: they are compared as BigInt, never as doubles. */
  async command(name, args, source = this.source) {
    const options = {
      keys: this.keys, arguments: [name, this.room, source, JSON.stringify(args), this.settings],
    };
    const sentMs = performance.now();
    this.calls += 1;
    const raw = await this.#limited(this.#evaluate(options));
    const [nowUs, token, holder, dueMs, tag, ...rest] = raw;
    this.clockMs = Number(nowUs) / 1000 - (sentMs + performance.now()) / 2;
    this.#sawToken(token, holder);
    this.#setDue(dueMs === '' ? null : Number(dueMs) - Number(nowUs) / 1000);
    if (tag === 'invalid') throw new Error(`${name}: ${rest[0]} makes no sense`);
    const reply = { tag, rest, sentMs };
    if (tag === 'granted') {
      const [, requestId, of, remaining, guard, lease] = rest;
      Object.assign(reply, {
        requestId, token: of, remainingMs: Number(remaining), guardMs: Number(guard), leaseMs: Number(lease),
      });
    }
    return reply;
  }

  /** Hold the floor while `body(grant)` runs. */
  async hold(participant, body, { priority = 2, reason = '', observedToken = '0' } = {}) {
    const grant = await this.acquire(participant, { priority, reason, observedToken });
    let tailDone = false;
    try {
      const result = await body(grant);
      tailDone = true;
      return result;
    } finally {
      await grant.release(tailDone);
    }
  }

  async acquire(participant, { priority = 2, reason = '', observedToken = '0' } = {}) {
    for (;;) {
      const requestId = this.newRequestId();
      const waiter = { participant, hints: 0, wake: () => {} };
      this.waiters.set(requestId, waiter);
      try {
        const request = {
          participant, request_id: requestId, priority, on_behalf_of: '', reason,
          observed_token: observedToken, resume_token: '0',
        };
        let reply = await this.#again(() => this.command('request', request, participant));
        while (reply.tag === 'queued') {
          this.onQueued?.(participant, Number(reply.rest[2]));
          await this.#hint(waiter);
          reply = await this.#again(
            () => this.command('confirm', { participant, request_id: requestId }, participant),
          );
        }
        if (reply.tag === 'granted') {
          const grant = new Grant(this, participant, reply, reply.sentMs);
          this.grants.add(grant);
          return grant;
        }
        // A grant that came and went unseen, or a Redis that forgot: asked anew.
        const [, , why] = reply.rest;
        if (reply.tag === 'ended' && (why === 'expired' || why === 'revoked')) continue;
        if (reply.tag === 'unchanged' && reply.rest[0] === 'unknown') continue;
        throw new DeniedError(`${reply.tag}: ${why ?? reply.rest[0]}`);
      } finally {
        this.waiters.delete(requestId);
      }
    }
  }

  newRequestId() {
    const ms = Math.round(performance.now() + this.clockMs);
    return `${String(ms).padStart(13, '0')}-${randomBytes(8).toString('hex')}`;
  }

  async #evaluate(options) {
    try {
      return await this.redis.evalSha(this.sha1, options);
    } catch (error) {
      if (!String(error.message).startsWith('NOSCRIPT')) throw error;
      return this.redis.eval(this.script, options);
    }
  }

  async #limited(call) {
    let timer;
    const limit = new Promise((_, fail) => {
      timer = setTimeout(() => fail(new Error(`no answer within ${CALL_LIMIT_MS} ms`)), CALL_LIMIT_MS);
    });
    try {
      return await Promise.race([call, limit]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Repeat what a request id makes harmless, for as long as Redis is away. */
  async #again(call) {
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, 2000)) {
      try {
        return await call();
      } catch (error) {
        if (this.closed || error.message.endsWith('makes no sense')) throw error;
        await sleep(waitMs * (0.5 + Math.random() / 2));
      }
    }
  }

  async #learnTime() {
    const sentMs = performance.now();
    const [seconds, us] = await this.redis.sendCommand(['TIME']);
    this.clockMs = Number(seconds) * 1000 + Number(us) / 1000 - (sentMs + performance.now()) / 2;
  }

  async #hint(waiter) {
    if (waiter.hints === 0) await new Promise((wake) => { waiter.wake = wake; });
    waiter.hints = 0;
    waiter.wake = () => {};
  }

  #wake(waiter) {
    waiter.hints += 1;
    waiter.wake();
  }

  #sawToken(token, holder) {
    if (BigInt(token) > this.token) {
      this.token = BigInt(token);
      for (const grant of this.grants) {
        if (BigInt(grant.token) < this.token) grant.end({ reason: 'superseded' });
      }
      for (const waiter of this.waiters.values()) {
        if (waiter.participant === holder) this.#wake(waiter);
      }
    }
  }

  // One timer for all that wait here: at the next known deadline somebody has to look.
  #setDue(inMs) {
    clearTimeout(this.timer);
    if (this.closed || this.waiters.size === 0) return;
    const waitMs = inMs === null ? RECHECK_MS : Math.max(0, inMs) + 1 + Math.random() * JITTER_MS;
    this.timer = setTimeout(async () => {
      try {
        await this.command('tick', {});
        if (inMs === null) for (const waiter of this.waiters.values()) this.#wake(waiter);
      } catch {
        this.#setDue(250);
      }
    }, waitMs);
  }

  async #read(afterId) {
    let id = afterId;
    while (!this.closed) {
      try {
        const found = await this.reader.xRead([{ key: this.keys[0], id }], { BLOCK: BLOCK_MS, COUNT: 500 });
        for (const entry of found?.[0]?.messages ?? []) {
          id = entry.id;
          this.#saw(entry.message);
        }
      } catch {
        if (!this.closed) await sleep(100);
      }
    }
  }

  #saw(entry) {
    const data = JSON.parse(entry.data);
    if (['FLOOR_RELEASED', 'FLOOR_REVOKED', 'FLOOR_EXPIRED'].includes(entry.type)) {
      for (const grant of this.grants) {
        if (grant.token === entry.token) grant.end({ type: entry.type, reason: data.reason, by: data.by ?? '' });
      }
    }
    if (entry.type === 'FLOOR_GRANTED') {
      this.#sawToken(entry.token, data.participant);
      this.#setDue(data.lease_ms);
    } else if (entry.type === 'FLOOR_REVOKING') {
      this.#setDue(data.grace_ms);
    }
    const waiter = data.request_id === undefined ? undefined : this.waiters.get(data.request_id);
    if (waiter && ['FLOOR_GRANTED', 'FLOOR_DENIED', 'FLOOR_WITHDRAWN'].includes(entry.type)) this.#wake(waiter);
  }
}
