import { hostContract } from '../../../test/support/release/host-contract.ts';
import { ShellHost } from '../../../test/support/release/shell-host.ts';
import { localHost } from './local.ts';

hostContract('this machine', () => localHost);
hostContract('by shell scripts', () => new ShellHost('sh', '-s'));
