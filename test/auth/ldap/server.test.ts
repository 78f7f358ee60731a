import { expect, it } from 'vitest';
import { Deadline } from '../../../auth/deadline.ts';
import type { ServerObserver } from '../../../auth/directory.ts';
import { LdapServer } from '../../../auth/ldap/server.ts';
import { SimpleBind } from '../../../auth/ldap/simple-bind.ts';
import { Secret } from '../../../auth/secret.ts';
import { answerAll, ScriptedLdap } from './scripted-ldap.ts';

const patient = new AbortController().signal;

function bindOf(user: string): SimpleBind {
  const bind = SimpleBind.of(`uid=${user},dc=x`, new Secret(Buffer.from(`${user}-secret`)));
  if (bind === undefined) throw new Error('no bind');
  return bind;
}

function serverAt(scripted: ScriptedLdap, onState: ServerObserver = () => undefined): LdapServer {
  const { port } = scripted;
  const target = {
    url: `ldap://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    tls: 'none',
    ca: undefined,
    serverName: undefined,
  } as const;
  return new LdapServer(target, {
    account: undefined,
    connectMs: 1000,
    operationMs: 1000,
    maxBinds: 1,
    onState,
  });
}

it('keeps or closes the connection of a bind that was given up just as its turn came', async () => {
  await using scripted = await ScriptedLdap.start();
  const server = serverAt(scripted);
  const budget = new AbortController();

  const first = server.bind(bindOf('alice'), patient).then(() => budget.abort(new Error('the client left')));
  const second = server.bind(bindOf('bob'), budget.signal);

  await first;
  await expect(second).rejects.toThrow('given up');
  server.close();
  await expect.poll(() => scripted.sockets.size).toBe(0);
});

it('lets a bind end that nobody waits for any more, and uses its connection again', async () => {
  const answers: (() => void)[] = [];
  await using scripted = await ScriptedLdap.start(async (request) => {
    await new Promise<void>((resolve) => answers.push(resolve));
    return answerAll(request);
  });
  const server = serverAt(scripted);
  const budget = new AbortController();

  const left = server.bind(bindOf('alice'), budget.signal);
  await expect.poll(() => answers.length, { interval: 1 }).toBe(1);
  const [socket] = scripted.sockets;
  budget.abort(new Error('the client left'));
  await expect(left).rejects.toThrow(`ldap://127.0.0.1:${scripted.port}: given up`);
  const next = server.bind(bindOf('bob'), patient);
  answers[0]?.();
  await expect.poll(() => answers.length, { interval: 1 }).toBe(2);
  answers[1]?.();

  expect(await next).toMatchObject({ code: 0 });
  expect([...scripted.sockets]).toEqual([socket]);
  server.close();
});

it('sends no bind of somebody who left before his connection was there', async () => {
  await using scripted = await ScriptedLdap.start();
  const server = serverAt(scripted);
  const budget = new AbortController();

  const left = server.bind(bindOf('alice'), budget.signal);
  budget.abort(new Error('the client left'));
  await expect(left).rejects.toThrow('given up');

  expect(await server.bind(bindOf('bob'), patient)).toMatchObject({ code: 0 });
  expect(scripted.seen('bind').map(({ dn }) => dn)).toEqual(['uid=bob,dc=x']);
  expect(scripted.sockets.size).toBe(1);
  server.close();
});

it('says that a server did not answer in time only where its time was over', async () => {
  await using scripted = await ScriptedLdap.start(() => undefined);
  const server = serverAt(scripted);
  using deadline = new Deadline(50, patient);

  await expect(server.bind(bindOf('alice'), deadline.signal)).rejects.toThrow(/: no answer in time$/);
  server.close();
});

it('tells once that a server can be used, when it first answers', async () => {
  await using scripted = await ScriptedLdap.start();
  const told: boolean[] = [];
  const server = serverAt(scripted, (_, up) => told.push(up));

  await server.bind(bindOf('alice'), patient);
  await server.bind(bindOf('alice'), patient);

  expect(told).toEqual([true]);
  server.close();
});
