// A real Chromium that looks at the dashboard: what a person sees and does, and what must never be there: an
// error in the console, a request to another host, a serious finding of axe. Skipped with a visible line where
// there is no Chromium, and a failure when CI is set.
//
// With SLUICE_SHOTS=FOLDER each `shot` leaves a picture there, in both schemes.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { needPeer } from '../peers/programs.ts';

export type { Page } from 'playwright-core';

/** No sandbox: tests may run as root. The rest: it asks nobody for anything by itself. */
const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'],
  ...['--no-first-run', '--disable-background-networking', '--disable-component-update'],
  ...['--disable-sync', '--disable-default-apps', '--mute-audio'],
];

/** A busy machine draws late; whoever waits longer has found something. */
const PATIENCE_MS = 30_000;

export type Eyes = {
  readonly browser: Browser;
  /** A page of a person of its own, with what is seen on it watched until the test ends. */
  open(url: string, how?: Look): Promise<Page>;
};

export type Look = {
  readonly scheme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
  readonly language?: 'en-US' | 'zh-CN';
  /** Messages in the console that the test brings about. */
  readonly expected?: RegExp;
  /** Another tab of the same person. */
  readonly beside?: Page;
};

/** Undefined: skipped. */
export async function openEyes(t: TestContext): Promise<Eyes | undefined> {
  const executablePath = needPeer(t, 'chromium');
  if (executablePath === undefined) return undefined;
  const home = mkdtempSync(join(tmpdir(), 'sluice-browser-'));
  const browser = await chromium.launch({
    executablePath,
    args: ARGUMENTS,
    env: { ...process.env, HOME: home },
    timeout: PATIENCE_MS,
  });
  t.after(async () => {
    await browser.close();
    rmSync(home, { recursive: true, force: true });
  });
  const troubles: string[] = [];
  t.after(() => assert.deepEqual(troubles, [], 'the console is clean'));
  return {
    browser,
    async open(url, how = {}) {
      const context = how.beside?.context() ?? (await contextOf(browser, how));
      const page = await context.newPage();
      watch(page, new URL(url).host, how.expected, troubles);
      await page.goto(url);
      return page;
    },
  };
}

/** axe finds nothing that keeps somebody out. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  const require = createRequire(import.meta.url);
  // Past the page's own rules against scripts of others.
  await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
  const found: readonly string[] = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: readonly Violation[] }> };
    };
    type Violation = {
      readonly id: string;
      readonly impact: string;
      readonly nodes: readonly { readonly html: string }[];
    };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join('  ')}`);
  });
  assert.deepEqual(found, [], what);
}

/** Pictures for people, where somebody wants them. */
export async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env['SLUICE_SHOTS'];
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    // Graphs are drawn anew in the next frame.
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(resolve))');
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`), fullPage: true });
  }
}

async function contextOf(browser: Browser, how: Look): Promise<BrowserContext> {
  const { scheme = 'light', width = 1280, height = 800, language = 'en-US' } = how;
  const context = await browser.newContext({
    ...{ colorScheme: scheme, locale: language, viewport: { width, height } },
    ...{ timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce' },
  });
  context.setDefaultTimeout(PATIENCE_MS);
  return context;
}

function watch(page: Page, host: string, expected: RegExp | undefined, troubles: string[]): void {
  const tell = (text: string): void => {
    if (expected?.test(text) !== true) troubles.push(text);
  };
  page.on('pageerror', (error) => tell(String(error.stack ?? error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') tell(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    // Another port of this machine is what a redirect is about.
    if (!/^(?:data|blob|about):$/.test(url.protocol) && url.hostname !== '127.0.0.1') {
      tell(`${host} asked ${request.url()}`);
    }
  });
  // What runs because a name or a value has it in it.
  page.on('dialog', (dialog) => {
    tell(`a script ran: ${dialog.message()}`);
    void dialog.dismiss();
  });
}
