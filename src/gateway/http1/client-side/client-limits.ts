// What a client connection waits for, and how much it takes, where no configuration says it.

/**
 * What is read and thrown away after our FIN, at most; the time is the usual end of it. A client that
 * is in the middle of its body sends on for a while, and a reset would take its answer away.
 */
export const LINGERING_BYTES_MAX = 64 * 1024 * 1024;

/** When a client that has ended its side is asked whether it is still there, and when we listen. */
export const ASK_MS = 1000;
