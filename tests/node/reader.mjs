// Follows a stream of events and prints a line of JSON for each: node reader.mjs URL STREAM [GROUP]
//
// With a group the entries are acknowledged after they are printed, and a gap in seq is a line of its own.

import { createClient } from 'redis';

const [url, stream, group] = process.argv.slice(2);
const redis = createClient(url.startsWith('unix://') ? { socket: { path: new URL(url).pathname } } : { url });
redis.on('error', (error) => process.stderr.write(`${error.message}\n`));
await redis.connect();
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

if (group) {
  await redis.xGroupCreate(stream, group, '0', { MKSTREAM: true }).catch((error) => {
    if (!error.message.startsWith('BUSYGROUP')) throw error;
  });
}
const seen = new Map();
let after = group ? '>' : '0';
for (;;) {
  const options = { COUNT: 100, BLOCK: 5000 };
  const found = group
    ? await redis.xReadGroup(group, 'one', [{ key: stream, id: after }], options)
    : await redis.xRead([{ key: stream, id: after }], options);
  for (const { id, message } of found?.[0]?.messages ?? []) {
    if (!group) after = id;
    const session = `${message.room} ${message.session}`;
    const seq = Number(message.seq);
    const last = seen.get(session) ?? seq;
    if (seq > last + 1) say({ missed: seq - last - 1 });
    seen.set(session, Math.max(seq, last));
    const { room, type, source } = message;
    say({ room, seq, type, source, id: message.entry_id ?? id, data: JSON.parse(message.data) });
    if (group) await redis.xAck(stream, group, id);
  }
}
