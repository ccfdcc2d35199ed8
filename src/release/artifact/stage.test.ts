import { shellHost } from '../../../test/support/release/shell-host.ts';
import { sharedSshHost } from '../../../test/support/release/ssh-hosts.ts';
import { stageContract } from '../../../test/support/release/stage-contract.ts';
import { localHost } from '../hosts.ts';

stageContract('this machine', async () => localHost);
stageContract('by shell scripts', async () => shellHost('sh', '-s'));
stageContract('behind ssh', sharedSshHost());
