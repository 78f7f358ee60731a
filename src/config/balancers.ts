/** Who may speak for clients, and whose clients all look alike. */
import { Networks } from '../networks.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';

/** Makes the list of balancers that introduce clients by PROXY headers. */
export function trustedBalancers(from: readonly string[], path: Path, report: Report): Networks {
  for (const [index, network] of from.entries()) {
    if (!/\/0+$/.test(network)) continue;
    report.warning(
      [...path, index],
      'whoever can connect can claim to be any client, with any certificate',
      'the addresses of the balancers alone',
    );
  }
  return new Networks(from);
}

/** Warns of balancers whose clients can't be told apart. */
export function checkBalancers(balancers: readonly string[] | undefined, report: Report): void {
  if (balancers === undefined || balancers.length === 0) return;
  report.warning(
    ['balancers'],
    'all clients of these balancers look alike: they have no limit per address, and no address in any log',
    'proxyProtocol on the listener, and send-proxy-v2 or its like on the balancer',
  );
}
