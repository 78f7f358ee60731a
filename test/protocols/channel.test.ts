import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Channel, DeadlinePassed, Disconnected, InputTooLong } from '../../protocols/channel.ts';
import type { Sink, Transport } from '../../protocols/transport.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const MAX_UNPARSED_OCTETS = 64 * 1024;

/** A connection whose peer takes its time: writes fill the queue, and a TLS handshake lasts until it is told to end. */
class SlowTransport extends MemoryTransport {
  readonly #shaken = Promise.withResolvers<void>();
  #sink: Sink | undefined;

  override attach(sink: Sink): void {
    this.#sink = sink;
    super.attach(sink);
  }

  override write(octets: Buffer): boolean {
    super.write(octets);
    return false;
  }

  drain(): void {
    this.#sink?.drained();
  }

  finishHandshake(): void {
    this.#shaken.resolve();
  }

  override async upgradeTls(signal: AbortSignal): Promise<Transport> {
    signal.addEventListener('abort', () => this.#shaken.reject(signal.reason));
    await this.#shaken.promise;
    return await super.upgradeTls(signal);
  }
}

interface Connection {
  readonly transport: MemoryTransport;
  readonly channel: Channel;
}

function opened(): Connection & { readonly transport: SlowTransport } {
  const transport = new SlowTransport();
  return { transport, channel: new Channel(transport) };
}

describe('Channel, reading', () => {
  it('gives a line as soon as it is whole, and keeps what is behind it', async () => {
    const { transport, channel } = opened();
    const line = channel.readLine(100);
    transport.feed('a NO');
    transport.feed('OP\r\nb NOOP\r\n');

    expect((await line).toString()).toBe('a NOOP');
    expect((await channel.readLine(100)).toString()).toBe('b NOOP');
  });

  it('takes a line of as many octets as are allowed, however it comes', async () => {
    const { transport, channel } = opened();
    const line = channel.readLine(6);
    transport.feed('a NOOP');
    transport.feed('\r');
    transport.feed('\n');

    expect((await line).toString()).toBe('a NOOP');
  });

  it.each(['12345678', '1234567\r', '12345678\r\n'])(
    'refuses %j where 6 octets are allowed',
    async (line) => {
      const { transport, channel } = opened();
      transport.feed(line);

      await expect(channel.readLine(6)).rejects.toThrow(InputTooLong);
    },
  );

  it('lets the start of a line say that it may be longer', async () => {
    const { transport, channel } = opened();
    transport.feed('A123456789\r\nB123456789\r\n');
    const longer = (start: Buffer): number => (start.toString().startsWith('A') ? 10 : 6);

    expect((await channel.readLine(6, longer)).toString()).toBe('A123456789');
    await expect(channel.readLine(6, longer)).rejects.toThrow(InputTooLong);
  });

  it('gives exactly the octets that were counted, once they are all there', async () => {
    const { transport, channel } = opened();
    const octets = channel.readOctets(6);
    transport.feed('abc');
    transport.feed('def)\r\n');

    expect((await octets).toString()).toBe('abcdef');
    expect((await channel.readLine(100)).toString()).toBe(')');
  });

  it('skips octets over several segments, and not one more', async () => {
    const { transport, channel } = opened();
    transport.feed('abc');
    const skipped = channel.skipOctets(7);
    transport.feed('de');
    await Promise.resolve();
    transport.feed('fghi\r\n');

    await skipped;
    expect((await channel.readLine(100)).toString()).toBe('hi');
  });

  it('shows what comes first and leaves it unread', async () => {
    const { transport, channel } = opened();
    const first = channel.peek();
    transport.feed('GET / HTTP/1.1\r\n');

    expect((await first).toString()).toBe('GET / HTTP/1.1\r\n');
    expect((await channel.readLine(100)).toString()).toBe('GET / HTTP/1.1');
  });

  it('reads no more from the peer above 64 KiB that were not used', async () => {
    const { transport, channel } = opened();
    transport.feed(Buffer.alloc(MAX_UNPARSED_OCTETS));
    const atLimit = transport.paused;
    transport.feed('x');

    expect([atLimit, transport.paused]).toEqual([false, true]);
    channel.close();
  });

  it('reads on as soon as no more than 64 KiB are left', async () => {
    const { transport, channel } = opened();
    transport.feed(Buffer.alloc(MAX_UNPARSED_OCTETS + 2));

    await channel.readOctets(1);
    const above = transport.paused;
    await channel.readOctets(1);

    expect([above, transport.paused]).toEqual([true, false]);
  });

  it('reads on above 64 KiB for a line that may be longer, and no further', async () => {
    const { transport, channel } = opened();
    transport.feed(Buffer.alloc(MAX_UNPARSED_OCTETS + 1, 'x'));
    const before = transport.paused;

    const line = channel.readLine(2 * MAX_UNPARSED_OCTETS);
    const waiting = transport.paused;
    transport.feed(`${'x'.repeat(MAX_UNPARSED_OCTETS - 1)}\r\n`);

    expect([before, waiting]).toEqual([true, false]);
    expect(await line).toHaveLength(2 * MAX_UNPARSED_OCTETS);
    transport.feed(Buffer.alloc(MAX_UNPARSED_OCTETS + 1));
    expect(transport.paused).toBe(true);
  });

  it('stops and reads on again and again', async () => {
    const { transport, channel } = opened();
    const states: boolean[] = [];
    for (let round = 0; round < 3; round += 1) {
      transport.feed(Buffer.alloc(MAX_UNPARSED_OCTETS + 1));
      states.push(transport.paused);
      await channel.skipOctets(MAX_UNPARSED_OCTETS + 1);
      states.push(transport.paused);
    }

    expect(states).toEqual([true, false, true, false, true, false]);
  });

  it.each([
    ['the peer sends FIN', (transport: MemoryTransport) => transport.finish()],
    ['the connection is gone', (transport: MemoryTransport) => transport.drop()],
  ])('gives what came before when %s, and then says so', async (_, end) => {
    const { transport, channel } = opened();
    transport.feed('a NOOP\r\nb NO');
    end(transport);

    expect((await channel.readLine(100)).toString()).toBe('a NOOP');
    await expect(channel.readLine(100)).rejects.toThrow(Disconnected);
  });

  it('says why the connection is gone to who is reading', async () => {
    const { transport, channel } = opened();
    const reset = new Error('read ECONNRESET');
    const line = channel.readLine(100);
    transport.drop(reset);

    await expect(line).rejects.toMatchObject({ name: 'Disconnected', cause: reset });
  });

  it('keeps to the first of several reasons', async () => {
    const { transport, channel } = opened();
    const reset = new Error('read ECONNRESET');
    transport.finish();
    transport.drop(reset);

    await expect(channel.readLine(100)).rejects.not.toHaveProperty('cause');
  });
});

describe('Channel, writing', () => {
  it('does not wait while the peer takes what it is sent', async () => {
    const transport = new MemoryTransport();
    const channel = new Channel(transport);

    await channel.write('* OK grüß\r\n');

    expect(Buffer.from(transport.output, 'latin1').toString('utf8')).toBe('* OK grüß\r\n');
  });

  it('waits for a peer that does not take it, until it does', async () => {
    const { transport, channel } = opened();
    let taken = false;
    const written = channel.write('* OK ready\r\n').then(() => {
      taken = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    const before = taken;
    transport.drain();
    await written;

    expect(before).toBe(false);
    expect(transport.output).toBe('* OK ready\r\n');
  });

  it.each([
    ['the connection is gone', ({ transport }: Connection) => transport.drop()],
    ['we close it', ({ channel }: Connection) => channel.close()],
  ])('stops waiting when %s', async (_, end) => {
    const connection = opened();
    const written = connection.channel.write('* OK ready\r\n');
    end(connection);

    await expect(written).rejects.toThrow(Disconnected);
  });

  it('does not wait at all for a peer that is gone', async () => {
    const { transport, channel } = opened();
    transport.drop();

    await expect(channel.write('* BYE\r\n')).resolves.toBeUndefined();
  });
});

describe('Channel, its clock', () => {
  it('does not run again when the connection was closed or handed on', () => {
    for (const leave of ['close', 'detach'] as const) {
      const channel = new Channel(new MemoryTransport());
      channel.startClock(1000);
      channel[leave]();

      channel.resumeClock();

      expect(vi.getTimerCount()).toBe(0);
    }
  });

  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Lets time go by, and tells whether the clock was still good for a line then. */
  async function alive({ transport, channel }: Connection, afterMs: number): Promise<boolean> {
    const line = channel.readLine(100).then(
      () => true,
      (error: unknown) => {
        expect(error).toBeInstanceOf(DeadlinePassed);
        return false;
      },
    );
    await vi.advanceTimersByTimeAsync(afterMs);
    transport.feed('x\r\n');
    return await line;
  }

  it('ends a wait when the time is up, and not before', async () => {
    const connection = opened();
    connection.channel.startClock(1000);

    expect(await alive(connection, 999)).toBe(true);
    expect(await alive(connection, 1)).toBe(false);
  });

  it('ends a write that the peer does not take when the time is up', async () => {
    const { channel } = opened();
    channel.startClock(1000);
    const written = expect(channel.write('* OK ready\r\n')).rejects.toThrow(DeadlinePassed);

    await vi.advanceTimersByTimeAsync(1000);

    await written;
  });

  it('counts only the time in which it runs', async () => {
    const connection = opened();
    connection.channel.startClock(1000);
    await vi.advanceTimersByTimeAsync(400);
    connection.channel.stopClock();
    await vi.advanceTimersByTimeAsync(60_000);
    connection.channel.resumeClock();
    await vi.advanceTimersByTimeAsync(300);
    connection.channel.stopClock();
    connection.channel.stopClock();
    await vi.advanceTimersByTimeAsync(60_000);
    connection.channel.resumeClock();

    expect(await alive(connection, 299)).toBe(true);
    expect(await alive(connection, 1)).toBe(false);
  });

  it('is not put back by being resumed while it runs', async () => {
    const connection = opened();
    connection.channel.startClock(1000);
    await vi.advanceTimersByTimeAsync(400);
    connection.channel.resumeClock();

    expect(vi.getTimerCount()).toBe(1);
    expect(await alive(connection, 599)).toBe(true);
    expect(await alive(connection, 1)).toBe(false);
  });

  it('begins anew with each phase', async () => {
    const connection = opened();
    connection.channel.startClock(1000);
    await vi.advanceTimersByTimeAsync(900);
    connection.channel.startClock(1000);

    expect(await alive(connection, 999)).toBe(true);
    expect(await alive(connection, 1)).toBe(false);
  });

  it('does not run before it was started', () => {
    const { channel } = opened();
    channel.resumeClock();

    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves to be read what came before the time was up', async () => {
    const { transport, channel } = opened();
    channel.startClock(1000);
    transport.feed('a LOGIN u p\r\n');
    await vi.advanceTimersByTimeAsync(1000);

    expect((await channel.readLine(100)).toString()).toBe('a LOGIN u p');
    await expect(channel.readLine(100)).rejects.toThrow(DeadlinePassed);
  });

  it.each([
    ['handed on', (channel: Channel) => void channel.detach()],
    ['closed', (channel: Channel) => channel.close()],
  ])('is stopped when the connection is %s', (_, leave) => {
    const { channel } = opened();
    channel.startClock(1000);

    leave(channel);

    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes on over an upgrade to TLS, whose handshake it counts', async () => {
    const { transport, channel } = opened();
    channel.startClock(1000);
    await vi.advanceTimersByTimeAsync(100);
    const upgrading = channel.upgradeTls();
    await vi.advanceTimersByTimeAsync(300);
    transport.finishHandshake();
    const upgraded = await upgrading;
    const connection = { transport: transport.current, channel: upgraded };

    expect(vi.getTimerCount()).toBe(1);
    expect(await alive(connection, 599)).toBe(true);
    expect(await alive(connection, 1)).toBe(false);
  });

  it('ends a handshake when the time is up', async () => {
    const { channel } = opened();
    channel.startClock(1000);
    const refused = expect(channel.upgradeTls()).rejects.toThrow(DeadlinePassed);

    await vi.advanceTimersByTimeAsync(1000);

    await refused;
  });

  it('is stopped when a handshake fails', async () => {
    const { channel } = opened();
    channel.startClock(1000);
    const upgrading = channel.upgradeTls();
    channel.close();

    await expect(upgrading).rejects.toThrow(Disconnected);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('counts a handshake that ends in the moment in which the time is up as too late', async () => {
    const { transport, channel } = opened();
    channel.startClock(1000);
    const upgrading = channel.upgradeTls();
    transport.finishHandshake();
    vi.advanceTimersByTime(1000);

    await expect(upgrading).rejects.toThrow(DeadlinePassed);
    expect(transport.current.closedBy).toBe('destroy');
  });

  it('does not begin with an upgrade to TLS', async () => {
    const { transport, channel } = opened();
    transport.finishHandshake();
    await channel.upgradeTls();

    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('Channel, handed on', () => {
  it('A1 forgets at the upgrade to TLS what was sent in clear text behind STARTTLS', async () => {
    const { transport, channel } = opened();
    transport.feed('a STARTTLS\r\nb LOGIN mallory p\r\n');
    await channel.readLine(100);
    const upgrading = channel.upgradeTls();
    transport.feed('c LOGIN mallory p\r\n');
    transport.finishHandshake();
    const upgraded = await upgrading;
    transport.current.feed('d LOGIN alice p\r\n');

    expect(upgraded.tls?.version).toBe('TLSv1.3');
    expect((await upgraded.readLine(100)).toString()).toBe('d LOGIN alice p');
  });

  it('ends the handshake of an upgrade when it is closed', async () => {
    const { channel } = opened();
    const upgrading = channel.upgradeTls();
    channel.close();

    await expect(upgrading).rejects.toThrow(Disconnected);
  });

  it('closes a connection whose handshake ends in the moment in which it is closed', async () => {
    const { transport, channel } = opened();
    const upgrading = channel.upgradeTls();
    transport.finishHandshake();
    channel.close();

    await expect(upgrading).rejects.toThrow(Disconnected);
    expect(transport.current.closedBy).toBe('destroy');
  });

  it('closes the connection also where the upgrade to TLS took it, with the last words', async () => {
    const transport = new MemoryTransport();
    const channel = new Channel(transport);
    const upgraded = await channel.upgradeTls();
    const line = upgraded.readLine(100);
    channel.close('* BYE\r\n');

    await expect(line).rejects.toThrow(Disconnected);
    expect(transport.output).toBe('<TLS>* BYE\r\n');
    expect(transport.current.closedBy).toBe('close');
  });

  it('gives up the connection with what was read and not used, and reads no more', async () => {
    const { transport, channel } = opened();
    transport.feed('a LOGIN u p\r\nb SELECT IN');
    await channel.readLine(100);

    const detached = channel.detach();

    expect(detached.residual.toString()).toBe('b SELECT IN');
    expect(detached.transport).toBe(transport);
    expect(transport.paused).toBe(true);
    expect(transport.closedBy).toBeUndefined();
  });

  it.each([
    ['detach', Error, (channel: Channel) => void channel.detach()],
    ['close', Disconnected, (channel: Channel) => channel.close()],
    ['an upgrade to TLS', Error, (channel: Channel) => void channel.upgradeTls()],
  ])('can be used no more after %s', async (_, kind, leave) => {
    const { transport, channel } = opened();
    leave(channel);
    transport.feed('a NOOP\r\n');

    await expect(channel.readLine(100)).rejects.toThrow(kind);
    await expect(channel.readOctets(1)).rejects.toThrow(kind);
    await expect(channel.skipOctets(1)).rejects.toThrow(kind);
    await expect(channel.upgradeTls()).rejects.toThrow(kind);
    await expect(channel.write('x')).rejects.toThrow(kind);
    expect(() => channel.send('x')).toThrow(kind);
    expect(() => channel.detach()).toThrow(kind);
    expect(transport.output).not.toContain('x');
  });

  it('leaves alone what it gave away when it is closed then', () => {
    const { transport, channel } = opened();
    channel.detach();

    channel.close('* BYE\r\n');

    expect(transport.closedBy).toBeUndefined();
    expect(transport.output).toBe('');
    expect(channel.abandoned.aborted).toBe(false);
  });

  it('says its last words once, however often it is closed', () => {
    const { transport, channel } = opened();

    channel.close('* BYE\r\n');
    channel.close('* BYE\r\n');

    expect(transport.output).toBe('* BYE\r\n');
    expect(transport.closedBy).toBe('close');
  });
});

describe('Channel, abandoned', () => {
  it('is not while the peer is there', () => {
    const { transport, channel } = opened();
    transport.feed('a LOGIN u p\r\n');

    expect(channel.abandoned.aborted).toBe(false);
  });

  it('is when the connection is gone, also with commands unread', () => {
    const { transport, channel } = opened();
    transport.feed('b NOOP\r\n');
    transport.drop();

    expect(channel.abandoned.aborted).toBe(true);
  });

  it('is when the peer sends FIN and nothing is left to be done', () => {
    const { transport, channel } = opened();
    transport.finish();

    expect(channel.abandoned.aborted).toBe(true);
  });

  it('is not when the peer sends FIN behind commands that are unread', () => {
    const { transport, channel } = opened();
    transport.feed('b NOOP\r\n');
    transport.finish();

    expect(channel.abandoned.aborted).toBe(false);
  });

  it('is when we close the connection', () => {
    const { channel } = opened();
    channel.close();

    expect(channel.abandoned.aborted).toBe(true);
  });
});
