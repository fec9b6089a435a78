/** Numbered migrations, oldest first. Each statement runs on every shard; a released one is never edited. */
export const MIGRATIONS: readonly { readonly id: number; readonly why: string; readonly statements: readonly string[] }[] = [
  {
    id: 1,
    why: 'exchanges as sketches, what was rejected, and what was read',
    statements: [
      `CREATE TABLE IF NOT EXISTS exchanges (
        key UInt64, id String, account String, acct UInt64, time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
        model LowCardinality(String), organization LowCardinality(String), workspace LowCardinality(String), end_user String, end_user_source LowCardinality(String),
        channel LowCardinality(String), ip String, user_agent LowCardinality(String), ja4 LowCardinality(String), asn LowCardinality(String), api_key String,
        endpoint LowCardinality(String), tool_count UInt16, shape UInt64, tools_hash UInt64, conversation UInt64, turn UInt16, opening Bool,
        input_tokens UInt32, output_tokens UInt32, reasoning_tokens UInt32, stop_reason LowCardinality(String), status UInt16, latency_ms UInt32,
        chars UInt32, script UInt8, content_state LowCardinality(String), prompt UInt64, scaffold Array(UInt64), words Array(UInt32), marks UInt8,
        path_id UInt32, row UInt64
      ) ENGINE = MergeTree ORDER BY (acct, time) SETTINGS min_bytes_for_wide_part = 10485760`,
      `CREATE TABLE IF NOT EXISTS rejects (key UInt64, path_id UInt32, row UInt64, reason LowCardinality(String), head String)
        ENGINE = MergeTree ORDER BY (path_id, row)`,
      `CREATE TABLE IF NOT EXISTS intake (
        key UInt64, id String, account String, acct UInt64, time DateTime64(3, 'UTC'),
        model String, organization String, workspace String, end_user String, end_user_source String, channel String, ip String, user_agent String, ja4 String,
        asn String, api_key String, endpoint String, tool_count UInt16, shape UInt64, tools_hash UInt64, conversation UInt64, turn UInt16, opening Bool,
        input_tokens UInt32, output_tokens UInt32, reasoning_tokens UInt32, stop_reason String, status UInt16, latency_ms UInt32,
        chars UInt32, script UInt8, content_state String, prompt UInt64, scaffold Array(UInt64), words Array(UInt32), marks UInt8,
        path_id UInt32, row UInt64, reason String, head String
      ) ENGINE = Null`,
      `CREATE MATERIALIZED VIEW IF NOT EXISTS intake_exchanges TO exchanges AS SELECT * EXCEPT (reason, head) FROM intake WHERE reason = ''`,
      `CREATE MATERIALIZED VIEW IF NOT EXISTS intake_rejects TO rejects AS SELECT key, path_id, row, reason, head FROM intake WHERE reason != ''`,
      `CREATE TABLE IF NOT EXISTS files (path_id UInt32, path String, fingerprint String, format String, compression String, state String, lines UInt64, note String, at DateTime64(3, 'UTC'))
        ENGINE = MergeTree ORDER BY (path_id, at)`,
    ],
  },
  {
    id: 2,
    why: 'accounts, labels of people, dossiers and the exemplars they cite',
    statements: [
      `CREATE TABLE IF NOT EXISTS accounts (account String, created Nullable(DateTime64(3, 'UTC')), closed Nullable(DateTime64(3, 'UTC')), closed_reason String, email_domain String, email String,
        payment String, phone String, country String, organization String, tier String, verification String, labels Array(String), at DateTime64(3, 'UTC'))
        ENGINE = ReplacingMergeTree(at) ORDER BY account`,
      `CREATE TABLE IF NOT EXISTS labels (account String, label String, author String, reason String, revoked Bool, at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY (account, at)`,
      `CREATE TABLE IF NOT EXISTS dossiers (id String, at DateTime64(3, 'UTC'), body String CODEC(ZSTD(3))) ENGINE = MergeTree ORDER BY at`,
      `CREATE TABLE IF NOT EXISTS exemplars (key UInt64, id String, account String, time DateTime64(3, 'UTC'), text String, at DateTime64(3, 'UTC')) ENGINE = ReplacingMergeTree(at) ORDER BY key`,
    ],
  },
  {
    id: 3,
    why: 'exchanges are inserted as they are: an intermediate table and its views ran in one thread and doubled the wall time',
    statements: ['DROP TABLE IF EXISTS intake_exchanges', 'DROP TABLE IF EXISTS intake_rejects', 'DROP TABLE IF EXISTS intake'],
  },
  {
    id: 4,
    why: 'texts of exchanges, where retention keeps them all for a time',
    statements: [
      `CREATE TABLE IF NOT EXISTS texts (key UInt64, acct UInt64, text String CODEC(ZSTD(3)), at DateTime('UTC'), days UInt16)
        ENGINE = MergeTree ORDER BY (acct, key) TTL at + toIntervalDay(days)`,
    ],
  },
  {
    id: 5,
    why: 'large parts are not merged again: exchanges are sorted within a part, most of a sketch does not compress, and merging cost a sixth of a scan',
    statements: [
      'ALTER TABLE exchanges MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 100000000, parts_to_delay_insert = 20000, parts_to_throw_insert = 30000',
    ],
  },
  {
    id: 6,
    why: 'live intake asks for keys of a short span of time and for rows of one batch: parts and granules elsewhere are skipped',
    statements: [
      'ALTER TABLE exchanges ADD INDEX IF NOT EXISTS by_time time TYPE minmax GRANULARITY 4',
      'ALTER TABLE exchanges ADD INDEX IF NOT EXISTS by_path path_id TYPE minmax GRANULARITY 4',
    ],
  },
  {
    id: 7,
    why: 'a sentence that members share is a hash: what it says is kept as exemplars are, with the account it was read of, and so is a system text',
    statements: [
      `ALTER TABLE exemplars ADD COLUMN IF NOT EXISTS system String AFTER text`,
      `CREATE TABLE IF NOT EXISTS sentences (value String, account String, text String, at DateTime64(3, 'UTC')) ENGINE = ReplacingMergeTree(at) ORDER BY value`,
    ],
  },
  {
    id: 8,
    why: 'what a live exchange asks for is told while its text is there: looks come when it is gone',
    statements: [
      `CREATE TABLE IF NOT EXISTS capabilities (key UInt64, acct UInt64, account String, time DateTime64(3, 'UTC'), capability LowCardinality(String), everybody Bool)
        ENGINE = ReplacingMergeTree ORDER BY (acct, key)`,
    ],
  },
  {
    id: 9,
    why: 'a rejected line is found by the account it names wherever in it that stands: whoever asks to be erased is in it too',
    statements: ['ALTER TABLE rejects ADD COLUMN IF NOT EXISTS acct UInt64 DEFAULT 0'],
  },
  {
    id: 10,
    why: 'conversations that one account begins and another carries on are known by what they began with, or by an id that nobody makes twice',
    statements: ['ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS thread UInt64 DEFAULT 0'],
  },
  {
    id: 11,
    why: 'a call that a framework traced around that of the client it uses is one call: what lies in what, for as long as the outer span, which ends last, may still come',
    statements: [
      `CREATE TABLE IF NOT EXISTS nested (span UInt64, at DateTime('UTC')) ENGINE = ReplacingMergeTree ORDER BY span TTL at + toIntervalDay(30)`,
    ],
  },
  {
    id: 12,
    why: 'whoever was erased stays so when a log that still holds what they sent is read again: known by a keyed hash and the moment',
    statements: [`CREATE TABLE IF NOT EXISTS erased (who UInt64, at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY who`],
  },
];

export const SCHEMA_VERSION = Math.max(...MIGRATIONS.map((m) => m.id));
