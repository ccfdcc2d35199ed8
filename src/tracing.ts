// The face of the tracing module: spans on their way to a collector. The library that speaks OTLP is loaded
// when the first spans leave, and never where tracing is not configured.

export { SpanExport, type SpanExportOptions } from './tracing/span-export.ts';
