// Several gateways on one registry while everything goes wrong at random moments: what clients saw, what
// drains and receipts said, and what is left behind. Each line that is printed under "found" is a defect.
//
//   node bench/gateway-troubles.ts [--seed 1] [--runs 1] [--seconds 60] [--registry consul]
//     [--gateways 3] [--rate 60] [--only kill,cut,…] [--releases]

import { parseArgs } from 'node:util';
import { REGISTRY_KINDS } from '../test/support/gateways/cluster.ts';
import { rumble } from '../test/support/gateways/rumble.ts';
import { TROUBLES } from '../test/support/gateways/troubles.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '60' },
    registry: { type: 'string', default: 'embedded' },
    gateways: { type: 'string', default: '3' },
    rate: { type: 'string', default: '60' },
    only: { type: 'string', default: Object.keys(TROUBLES).join() },
    longest: { type: 'string', default: '4000' },
    releases: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
});

const registry = REGISTRY_KINDS.find((kind) => kind === values.registry);
if (registry === undefined) throw new Error(`--registry: one of ${REGISTRY_KINDS.join(', ')}`);
let isBad = false;
for (let run = 0; run < Number(values.runs); run += 1) {
  const report = await rumble({
    registry,
    ...{ seed: Number(values.seed) + run, seconds: Number(values.seconds) },
    ...{ gateways: Number(values.gateways), rate: Number(values.rate) },
    troubles: values.only.split(','),
    lastingMs: [200, Number(values.longest)],
    isReleased: values.releases,
    say: values.quiet ? () => {} : console.log,
  });
  console.log(report.lines.join('\n'));
  console.log(report.found.length === 0 ? 'found: nothing' : `found:\n${report.found.join('\n')}`);
  isBad ||= report.found.length > 0;
}
process.exitCode = isBad ? 1 : 0;
