import { createServer } from 'node:http';
import { Pool } from 'undici';

/** The least a proxy can be in this house: node:http and undici's dispatcher, nothing read, nothing decided. `node bare.js PORT UPSTREAM` */
const pool = new Pool(process.argv[3] as string, { connections: 128 });
createServer((req, res) => {
  const parts: Buffer[] = [];
  req.on('data', (d: Buffer) => parts.push(d));
  req.on('end', () => {
    const { host: _, connection: _c, 'transfer-encoding': _t, ...headers } = req.headers;
    pool.dispatch(
      { path: req.url as string, method: req.method as 'POST', headers, body: Buffer.concat(parts) },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_x, status, h) => {
          const { connection: _y, 'transfer-encoding': _z, ...rest } = h;
          res.writeHead(status, rest as Record<string, string>);
        },
        onResponseData: (c, chunk) => {
          if (!res.write(chunk)) {
            c.pause();
            res.once('drain', () => c.resume());
          }
        },
        onResponseEnd: () => void res.end(),
        onResponseError: () => void res.destroy(),
      },
    );
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
