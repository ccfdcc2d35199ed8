// All pages but the first one, in one chunk: a page in a chunk of its own would cost more in all, because each is
// compressed for itself.

export { Events } from './pages/events.tsx';
export { Kv } from './pages/kv.tsx';
export { Pool } from './pages/pool.tsx';
export { Releases } from './pages/release.tsx';
export { Requests } from './pages/requests.tsx';
