// The table of requests once more, from clients that come by TLS. All files here can be run so: SLUICE_FRONT=tls.

process.env['SLUICE_FRONT'] = 'tls';
await import('./requests.test.ts');
