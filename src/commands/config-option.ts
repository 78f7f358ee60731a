/** Where the configuration is, if nobody says where. */
const CONFIG_FILE = '/etc/homing/homing.yaml';

/** The option of each command that runs on a configuration. */
export const configOption = {
  config: {
    alias: 'c',
    type: 'string',
    default: CONFIG_FILE,
    describe: 'configuration file (YAML)',
  },
} as const;
