// Loaded into a Sluice under test: collects its garbage every few seconds, so that what stays resident is what is
// in use.

const EVERY_MS = 5000;

setInterval(() => globalThis.gc?.(), EVERY_MS).unref();
