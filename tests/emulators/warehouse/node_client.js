// Drives tedious and mssql as their documentation says; one JSON object of results on stdout.
'use strict';
const { Connection, Request, TYPES } = require('tedious');
const mssql = require('mssql');
const fs = require('fs');

const at = JSON.parse(process.argv[2]);
const blob = Buffer.alloc(8 << 20, Buffer.from([0, 1, 2, 255]));

function options(encrypt, extra) {
  return {
    server: at.host,
    authentication: at.principal
      ? { type: 'azure-active-directory-service-principal-secret', options: at.principal }
      : at.token
      ? { type: 'azure-active-directory-access-token', options: { token: at.token } }
      : { type: 'default', options: { userName: at.user, password: at.password } },
    options: {
      port: at.port, database: at.database, encrypt, trustServerCertificate: false,
      serverName: 'localhost', rowCollectionOnRequestCompletion: true, useColumnNames: false,
      cancelTimeout: 10000, requestTimeout: 60000, ...extra,
    },
  };
}

function opened(config) {
  return new Promise((resolve, reject) => {
    const connection = new Connection(config);
    connection.on('connect', (error) => (error ? reject(error) : resolve(connection)));
    connection.on('error', () => {});
    connection.connect();
  });
}

function ask(connection, text, parameters = [], how = 'execSql') {
  return new Promise((resolve, reject) => {
    const outputs = {};
    let status = null;
    const request = new Request(text, (error, count, rows) => {
      if (error) return reject(error);
      return resolve({ count, status, outputs, rows: rows.map((r) => r.map((c) => c.value)) });
    });
    request.on('returnValue', (name, value) => { outputs[name] = value; });
    request.on('doneProc', (_count, _more, returned) => { status = returned; });
    for (const [name, type, value, output] of parameters) {
      if (output) request.addOutputParameter(name, type, value);
      else request.addParameter(name, type, value);
    }
    connection[how](request);
  });
}

function cancelled(connection, text) {
  return new Promise((resolve) => {
    const request = new Request(text, (error) => resolve(error ? error.code : null));
    connection.execSqlBatch(request);
    setTimeout(() => request.cancel(), 500);
  });
}

function transaction(connection, end) {
  const step = (name) => new Promise((resolve, reject) => {
    connection[name]((error) => (error ? reject(error) : resolve()));
  });
  return step('beginTransaction')
    .then(() => ask(connection, "INSERT INTO dbo.kept VALUES (9, N'by tedious')"))
    .then(() => step(end))
    .then(() => ask(connection, "SELECT COUNT(*) FROM dbo.kept WHERE b = N'by tedious'"));
}

function bulk(connection, table, rows) {
  return new Promise((resolve, reject) => {
    const load = connection.newBulkLoad(table, (error, count) => (error ? reject(error) : resolve(count)));
    load.addColumn('a', TYPES.Int, { nullable: true });
    load.addColumn('b', TYPES.NVarChar, { length: 50, nullable: true });
    connection.execBulkLoad(load, rows);
  });
}

async function failing(connection, text) {
  try {
    await ask(connection, text, [], 'execSqlBatch');
  } catch (error) {
    const { number, lineNumber, message } = error;
    return { number, line: lineNumber, message, class: error.class };
  }
  return null;
}

async function tedious() {
  const found = { modes: {} };
  for (const mode of at.modes) {
    const encrypt = { off: false, on: true, strict: 'strict' }[mode];
    const connection = await opened(options(encrypt));
    const { rows } = await ask(connection, "SELECT 1 AS a, N'ünï€𝄞' AS b, CAST(1.5 AS decimal(9,2)) AS c");
    found.modes[mode] = rows[0];
    connection.close();
  }
  if (at.token || at.principal) return found;
  const connection = await opened(options(true));
  const types = await ask(connection,
    'SELECT @a AS a, @b AS b, @c AS c, @d AS d', [
      ['a', TYPES.Int, 42], ['b', TYPES.NVarChar, "O'Brien ünï"], ['c', TYPES.Float, 2.25],
      ['d', TYPES.Bit, true],
    ]);
  [found.parameters] = types.rows;
  const began = Date.now();
  const back = await ask(connection, 'SELECT @b AS b', [['b', TYPES.VarBinary, blob]]);
  found.blob = Buffer.compare(back.rows[0][0], blob) === 0;
  found.blob_s = (Date.now() - began) / 1000;
  const called = await ask(connection, 'dbo.doubled',
    [['n', TYPES.Int, 21], ['twice', TYPES.Int, null, true]], 'callProcedure');
  found.procedure = { rows: called.rows, twice: called.outputs.twice, status: called.status };
  found.error = await failing(connection, 'SELECT 1 AS a\n\nSELECT * FROM dbo.nowhere');
  found.thrown = await failing(connection, "SELECT 1 AS a\n\n;THROW 51000, N'thrown', 1");
  found.cancelled = await cancelled(connection, at.endless);
  found.after = (await ask(connection, 'SELECT 5 AS a')).rows;
  found.rolled = (await transaction(connection, 'rollbackTransaction')).rows;
  found.committed = (await transaction(connection, 'commitTransaction')).rows;
  await ask(connection, 'CREATE TABLE dbo.bulk_node (a int, b nvarchar(50))', [], 'execSqlBatch');
  const rows = Array.from({ length: 3000 }, (_, n) => [n, n % 9 ? `bülk ${n}` : null]);
  found.loaded = await bulk(connection, 'dbo.bulk_node', rows);
  found.kept = (await ask(connection, 'SELECT COUNT(*), COUNT(b) FROM dbo.bulk_node')).rows;
  connection.close();
  return found;
}

async function byMssql() {
  const pool = await mssql.connect({
    server: at.host, port: at.port, user: at.user, password: at.password, database: at.database,
    options: { encrypt: true, trustServerCertificate: true },
  });
  const found = {};
  found.rows = (await pool.request().input('n', mssql.Int, 3)
    .query('SELECT n, word FROM dbo.numbers WHERE n = @n')).recordset;
  const called = await pool.request().input('n', mssql.Int, 4).output('twice', mssql.Int)
    .execute('dbo.doubled');
  found.procedure = [called.recordset, called.output, called.returnValue];
  const table = new mssql.Table('dbo.bulk_mssql_node');
  table.create = true;
  table.columns.add('a', mssql.Int, { nullable: true });
  table.columns.add('b', mssql.NVarChar(50), { nullable: true });
  for (let n = 0; n < 1000; n += 1) table.rows.add(n, `bülk ${n}`);
  found.loaded = (await pool.request().bulk(table)).rowsAffected;
  const prepared = new mssql.PreparedStatement(pool);
  prepared.input('n', mssql.Int);
  await prepared.prepare('SELECT word FROM dbo.numbers WHERE n = @n');
  found.prepared = [];
  for (const n of [1, 2]) found.prepared.push((await prepared.execute({ n })).recordset[0].word);
  await prepared.unprepare();
  const transaction = new mssql.Transaction(pool);
  await transaction.begin();
  await new mssql.Request(transaction).query("INSERT INTO dbo.kept VALUES (1, N'by mssql')");
  await transaction.rollback();
  found.rolled = (await pool.request().query("SELECT COUNT(*) AS n FROM dbo.kept WHERE b = N'by mssql'")).recordset;
  const streamed = pool.request();
  streamed.stream = true;
  found.streamed = await new Promise((resolve, reject) => {
    let count = 0;
    streamed.on('row', () => { count += 1; });
    streamed.on('error', reject);
    streamed.on('done', () => resolve(count));
    streamed.query('SELECT a.n, b.word FROM dbo.numbers a JOIN dbo.numbers b ON b.n <= 20');
  });
  await pool.close();
  return found;
}

({ tedious, mssql: byMssql })[at.what]()
  .then((found) => fs.writeSync(1, JSON.stringify(found)))
  .catch((error) => { console.error(error); process.exit(1); });
