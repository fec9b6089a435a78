import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * The options of a command of figures. `--help` prints them with what stands where they are not given; one that is not known ends with 2 and the same list.
 * @param name as it is typed, after `npm run`
 */
export function flags<const T extends Options>(name: string, options: T): ReturnType<typeof parseArgs<{ readonly options: T }>>['values'] {
  const usage = [
    `npm run ${name} -- [options]`,
    ...Object.entries(options).map(([option, o]) =>
      `  --${option}${o.type === 'boolean' ? '' : ` VALUE${o.default === undefined ? '' : `   (${String(o.default)})`}`}`.trimEnd(),
    ),
  ].join('\n');
  try {
    if (process.argv.includes('--help')) {
      process.stdout.write(`${usage}\n`);
      process.exit(0);
    }
    return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    process.exit(2);
  }
}
