import { expect, it } from 'vitest';
import { SimpleBind } from '../../auth/ldap-connection.ts';
import { LdapServer } from '../../auth/ldap-server.ts';
import { Secret } from '../../auth/secret.ts';
import { ScriptedLdap } from './scripted-ldap.ts';

const patient = new AbortController().signal;

function bindOf(user: string): SimpleBind {
  const bind = SimpleBind.of(`uid=${user},dc=x`, new Secret(Buffer.from(`${user}-secret`)));
  if (bind === undefined) throw new Error('no bind');
  return bind;
}

it('keeps or closes the connection of a bind that was given up just as its turn came', async () => {
  await using scripted = await ScriptedLdap.start();
  const { port } = scripted;
  const server = new LdapServer(
    {
      url: `ldap://127.0.0.1:${port}`,
      host: '127.0.0.1',
      port,
      tls: 'none',
      ca: undefined,
      serverName: undefined,
    },
    { account: undefined, connectMs: 1000, operationMs: 1000, maxBinds: 1, onState: () => undefined },
  );
  const budget = new AbortController();

  const first = server.bind(bindOf('alice'), patient).then(() => budget.abort(new Error('the client left')));
  const second = server.bind(bindOf('bob'), budget.signal);

  await first;
  await expect(second).rejects.toThrow('no time left');
  server.close();
  await expect.poll(() => scripted.sockets.size).toBe(0);
});
