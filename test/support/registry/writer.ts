// A program for durability tests: opens the store in the folder given, writes records one after the
// other and prints each acknowledged one, until it is killed or told to stop. Its lines:
//   open <index>            after opening
//   ack <key> <index>       after the acknowledgement
//   refused <code>          the write was refused
//   back                    the first write that is accepted after a refusal

import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { isSluiceError } from '../../../src/base/errors.ts';
import { createLog } from '../../../src/base/log.ts';
import { openStore } from '../../../src/registry.ts';

const [dataDir = '', name = '', bytes = '100', lanes = '4'] = process.argv.slice(2);
const store = openStore({ dataDir, log: createLog('warn') });
let stopped = false;
createInterface({ input: process.stdin }).once('close', () => {
  stopped = true;
});
say(`open ${store.index}`);
let refused = false;

async function lane(at: number): Promise<void> {
  for (let count = 0; !stopped; count++) {
    const key = `${name}/${at}/${count}`;
    const value = Buffer.alloc(Number(bytes), key);
    try {
      await store.put(key, value);
      if (refused) say('back');
      refused = false;
      say(`ack ${key} ${store.read(key)?.modifyIndex}`);
    } catch (error) {
      if (!refused) say(`refused ${isSluiceError(error) ? error.code : String(error)}`);
      refused = true;
      await delay(20);
    }
    // A small group of records that are deleted again, so that tombstones are in play.
    if (count % 7 === 6 && !refused)
      await store.delete(`${name}/${at}/${count - 3}`).catch(() => {});
  }
}

await Promise.all(Array.from({ length: Number(lanes) }, (_, at) => lane(at)));
store.close();

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
