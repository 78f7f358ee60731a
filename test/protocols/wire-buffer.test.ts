import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WireBuffer } from '../../protocols/wire-buffer.ts';

function filled(...chunks: string[]): WireBuffer {
  const buffer = new WireBuffer();
  for (const chunk of chunks) {
    buffer.push(Buffer.from(chunk));
  }
  return buffer;
}

describe('WireBuffer', () => {
  it('cuts a line without its CRLF and keeps what is behind it', () => {
    const buffer = filled('a NOOP\r\nb NO');

    expect(buffer.takeLine()?.toString()).toBe('a NOOP');
    expect(buffer.takeLine()).toBeUndefined();
    expect(buffer.takeAll().toString()).toBe('b NO');
  });

  it('ends a line at a bare LF too', () => {
    expect(filled('a NOOP\n').takeLine()?.toString()).toBe('a NOOP');
  });

  it('keeps a CR that is not part of a line end', () => {
    expect(filled('a\rb\r\r\n').takeLine()?.toString()).toBe('a\rb\r');
  });

  it('gives an empty line for a CRLF alone', () => {
    expect(filled('\r', '\n').takeLine()?.toString()).toBe('');
  });

  it('cuts counted octets only when all are there', () => {
    const buffer = filled('abc');

    expect(buffer.takeOctets(4)).toBeUndefined();
    buffer.push(Buffer.from('def'));
    expect(buffer.takeOctets(4)?.toString()).toBe('abcd');
    expect(buffer.length).toBe(2);
  });

  it('does not change a line that was cut when more octets come', () => {
    const buffer = filled('on', 'e\r\ntw');
    const line = buffer.takeLine();
    buffer.push(Buffer.from('XXXXXXXXXXXX'));

    expect(line?.toString()).toBe('one');
    expect(buffer.takeAll().toString()).toBe('twXXXXXXXXXXXX');
  });

  it('cuts the same lines however the octets arrive', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n', '{') });
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 5 })), (input, cuts) => {
        const whole = lines(filled(input));
        const pieces: string[] = [];
        let rest = input;
        for (const cut of cuts) {
          pieces.push(rest.slice(0, cut));
          rest = rest.slice(cut);
        }

        expect(lines(filled(...pieces, rest))).toEqual(whole);
      }),
    );
  });

  it('searches no octet twice for the line end', () => {
    const buffer = new WireBuffer();
    for (let count = 0; count < 60_000; count += 1) {
      buffer.push(Buffer.from('a'));
      buffer.takeLine();
    }
    buffer.push(Buffer.from('\n'));

    expect(buffer.takeLine()?.length).toBe(60_000);
  });
});

function lines(buffer: WireBuffer): string[] {
  const found: string[] = [];
  for (let line = buffer.takeLine(); line !== undefined; line = buffer.takeLine()) {
    found.push(line.toString());
  }
  return [...found, buffer.takeAll().toString()];
}
