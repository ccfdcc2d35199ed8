// The command line of the peer scripts: `node bench/peers/x.ts PORT SERVER_PORT SERVER_PORT`.

const [port, ...servers] = process.argv.slice(2).map(Number);

/** Where the peer listens. */
export const listenPort = port ?? 0;
/** `http://127.0.0.1:PORT` of each server, in turn. */
export const origins = servers.map((server) => `http://127.0.0.1:${server}`);

let turn = 0;

/** Plain round robin over `members`. */
export function next<Member>(members: readonly Member[]): Member {
  const member = members[turn++ % members.length];
  if (member === undefined) throw new Error('usage: node x.ts PORT SERVER_PORT…');
  return member;
}
