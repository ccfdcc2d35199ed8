import { needPeer } from '../../../test/support/peers/programs.ts';
import { hostContract } from '../../../test/support/release/host-contract.ts';
import { shellHost } from '../../../test/support/release/shell-host.ts';
import { sharedSshHost } from '../../../test/support/release/ssh-hosts.ts';
import { localHost } from '../hosts.ts';

hostContract('this machine', async () => localHost);
hostContract('by shell scripts', async () => shellHost('sh', '-s'));
hostContract('behind ssh', sharedSshHost());

// Its tools know less than those of GNU.
hostContract('by scripts of busybox', async (t) =>
  needPeer(t, 'busybox') === undefined ? undefined : shellHost('busybox', 'sh', '-s'),
);
