import { describe, expect, it } from 'vitest';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import type { DirectorySettings } from '../../src/config/directories.ts';
import { openDirectories } from '../../src/directories.ts';
import type { Event } from '../../src/events.ts';
import { freePorts } from '../support/ports.ts';

const NAMES = {
  defaultDomain: undefined,
  lowerCase: true,
  punctuation: DEFAULT_PUNCTUATION,
  latin1Passwords: false,
};
const schema = compileSchema(schemaOptions('qmail', { base: 'dc=x' }));

function ldif(...domains: string[]): DirectorySettings {
  return {
    kind: 'ldif',
    name: 'x',
    domains,
    options: { content: Buffer.from(''), schema, allowCleartext: false },
  };
}

async function ldapThatIsDown(domains?: readonly string[]): Promise<DirectorySettings> {
  const [port = 0] = await freePorts(1);
  const server = {
    url: `ldap://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    tls: 'none',
    ca: undefined,
    serverName: undefined,
  } as const;
  const options = {
    servers: [server],
    order: 'failover',
    account: undefined,
    verify: 'bind',
    readPasswords: false,
    allowCleartext: false,
    schema,
    connectMs: 1000,
    operationMs: 1000,
    maxBinds: 1,
  } as const;
  return { kind: 'ldap', name: 'x', domains, options };
}

async function readiness(settings: readonly DirectorySettings[]) {
  const events: Event[] = [];
  await using directories = openDirectories(settings, { names: NAMES }, (event) => events.push(event));
  return { ...(await directories.readiness(AbortSignal.timeout(4000))), events };
}

describe('the readiness of directories', () => {
  it('is there when all can answer', async () => {
    expect(await readiness([ldif('a.example'), ldif('b.example')])).toEqual({
      ready: true,
      why: undefined,
      events: [],
    });
  });

  it('says why the only one can not', async () => {
    const { ready, why, events } = await readiness([await ldapThatIsDown()]);

    expect(ready).toBe(false);
    expect(why).toMatch(/^connect to ldap:.*ECONNREFUSED/);
    expect(events).toMatchObject([{ event: 'directoryState', up: false }]);
  });

  it('is there when one can answer, and says whose logins fail', async () => {
    const some = await readiness([ldif('a.example'), await ldapThatIsDown(['b.example', 'c.example'])]);
    const others = await readiness([ldif('a.example'), await ldapThatIsDown()]);

    expect(some.ready).toBe(true);
    expect(some.why).toMatch(/^no logins of b\.example, c\.example: connect to /);
    expect(others.why).toMatch(/^no logins of all other domains: connect to /);
  });
});
