// A Node program that joins by itself: argv has upstream, control API and the port. It answers after 20 ms
// and ends on SIGTERM, after it has left.

import { createServer } from 'node:http';
import { join } from '../../../src/index.ts';

const [, , upstream = '', control = '', port = ''] = process.argv;
const server = createServer((request, response) => {
  if (request.url === '/ping') response.end();
  else setTimeout(() => response.end(`joined ${process.pid}`), 20);
});
server.listen(Number(port), '127.0.0.1');
await join({
  ...{ upstream, control, server: `127.0.0.1:${port}`, path: '/ping' },
  onLeft: () => {
    process.stdout.write('left\n');
    // At once: whatever comes now is lost.
    process.exit(0);
  },
});
process.stdout.write('joined\n');
