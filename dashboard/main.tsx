// Starts the page.

import { render } from 'preact';
import './styles/base.css';
import './styles/parts.css';
import './styles/kv.css';
import './styles/pages.css';
import './styles/requests.css';
import './styles/pool.css';
import './styles/release.css';
import { App } from './app.tsx';
import { startSession } from './live/session.ts';
import { startStream } from './live/stream.ts';
import { startScheme } from './parts/scheme.ts';
import { startClock } from './parts/time.tsx';
import { startRouter } from './router.tsx';

startScheme();
startClock();
startRouter();
startStream();
void startSession();

const host = document.getElementById('app');
if (host !== null) render(<App />, host);
