#!/usr/bin/env node
import { runCli } from './cli.ts';

// Whoever reads our output may go away (`homing check … | head`); that's no reason for a stack trace.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

process.exitCode = await runCli(process.argv.slice(2), {
  input: process.stdin,
  output: process.stdout,
  errors: process.stderr,
});
