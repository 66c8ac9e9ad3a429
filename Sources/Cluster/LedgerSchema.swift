import PostgreSQL

/// Why a database is not one to work with.
package enum ClusterFault: Error, Equatable, CustomStringConvertible {
    /// A later version has changed the tables in a way that this one does not understand.
    case newerSchema(place: String, found: Int, known: Int)
    case schemaName(String)
    /// The store's workers compute a model with another arithmetic than this process has.
    case otherArithmetic(model: String, agreed: String, own: String)

    package var description: String {
        switch self {
        case .otherArithmetic(let model, let agreed, let own):
            "the workers of this store compute \(model) with \(agreed); this process would compute with \(own), to other bytes. "
                + "Start the same version with the same --precision on the same kind of processor; or let it say anew what all compute with: "
                + "phasor jobs arithmetic --forget"
        case .newerSchema(let place, let found, let known):
            "\(place): a newer version of Phasor has changed its tables (schema \(found); this version knows \(known)); "
                + "use that version here too"
        case .schemaName(let name):
            "'\(name)' is no name for a schema: 1 to 40 lower-case letters, digits and underscores, a letter first"
        }
    }
}

/// The tables of a shared database, and how they came to be: each version adds a migration, none is ever changed.
///
/// The tables lie in a schema of their own beside whatever else is in the database. A migration says which version of the
/// program the tables still do for, so that an upgrade may go from machine to machine.
package struct LedgerSchema: Sendable {
    package let name: String

    /// - Throws: `ClusterFault.schemaName`.
    package init(_ name: String = "phasor") throws(ClusterFault) {
        let bytes = Array(name.utf8)
        func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard (1...40).contains(bytes.count), isLetter(bytes[0]),
            bytes.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") })
        else { throw .schemaName(name) }
        self.name = name
    }

    private struct Migration {
        /// The oldest version that can work with the tables as they are after it.
        let compatible: Int
        let statements: [String]
    }

    /// Brings the tables up to this version, one process at a time.
    /// - Throws: `ClusterFault.newerSchema`; `PostgresFault`.
    func open(_ pool: PostgresPool) throws {
        try pool.transaction { db in
            // Ends with the transaction.
            try db.execute("SELECT pg_advisory_xact_lock(hashtext($1))", [.text("phasor schema \(name)")])
            // Asked first: who may use the tables need not be one who may make them.
            let isThere = try db.execute(
                "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'version'", [.text(name)])
            if isThere.isEmpty {
                try db.execute("CREATE SCHEMA IF NOT EXISTS \(name)")
                try db.execute(
                    """
                    CREATE TABLE \(name).version (
                        number integer PRIMARY KEY,
                        compatible integer NOT NULL,
                        at timestamptz NOT NULL DEFAULT clock_timestamp()
                    )
                    """)
            }
            let known = migrations.count
            let latest = try db.execute(
                "SELECT number, compatible FROM \(name).version ORDER BY number DESC LIMIT 1"
            ).first
            let found = latest?.integer("number") ?? 0
            if found > known {
                guard let compatible = latest?.integer("compatible"), compatible <= known else {
                    throw ClusterFault.newerSchema(place: pool.address.description, found: found, known: known)
                }
                return
            }
            for (index, migration) in migrations.enumerated().dropFirst(found) {
                for statement in migration.statements { try db.execute(statement) }
                try db.execute(
                    "INSERT INTO \(name).version (number, compatible) VALUES ($1, $2)",
                    [.integer(index + 1), .integer(migration.compatible)])
            }
        }
    }

    private var migrations: [Migration] {
        [
            Migration(compatible: 1, statements: jobs + line + events + notices + [secrets]),
            Migration(compatible: 1, statements: [tellInOrder]),
            Migration(compatible: 1, statements: turns + [arithmetics, uploads]),
        ]
    }

    // MARK: 1

    private var secrets: String { "CREATE TABLE \(name).secret (name text PRIMARY KEY, value bytea NOT NULL)" }

    /// `part`, `shape`, `blob` and `progress` say where a retry takes a job up. Every time is the database's.
    private var jobs: [String] {
        [
            """
            CREATE TABLE \(name).job (
                sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                id text NOT NULL UNIQUE,
                kind text NOT NULL,
                priority text NOT NULL,
                owner text,
                state text NOT NULL,
                steps integer NOT NULL,
                parameters text NOT NULL,
                model text NOT NULL,
                part text NOT NULL,
                shape text NOT NULL,
                weights text NOT NULL,
                blob text,
                progress bigint NOT NULL DEFAULT 0,
                timings text,
                failure text,
                created_at double precision NOT NULL DEFAULT extract(epoch FROM clock_timestamp()),
                started_at double precision,
                finished_at double precision,
                ended_fence bigint,
                idempotency_key text UNIQUE,
                fingerprint text
            ) WITH (fillfactor = 90)
            """,
            "CREATE INDEX job_owner ON \(name).job (owner, sequence)",
            "CREATE INDEX job_finished ON \(name).job (finished_at) WHERE finished_at IS NOT NULL",
            """
            CREATE TABLE \(name).artifact (
                id text PRIMARY KEY,
                job text NOT NULL REFERENCES \(name).job (id) ON DELETE CASCADE,
                ordinal integer NOT NULL,
                file text NOT NULL,
                content_type text NOT NULL,
                bytes bigint NOT NULL,
                expired integer NOT NULL DEFAULT 0
            )
            """,
            "CREATE INDEX artifact_job ON \(name).artifact (job, ordinal)",
        ]
    }

    /// The hot table: one narrow row for each unfinished job. It changes with every claim, so it has room in its pages and
    /// is cleaned often. A row that has a worker is in none of the indexes of those that wait; `lease_end` is in no index,
    /// so that a heartbeat writes to no index.
    private var line: [String] {
        [
            "CREATE SEQUENCE \(name).fence CACHE 1",
            """
            CREATE TABLE \(name).line (
                id text PRIMARY KEY,
                sequence bigint NOT NULL,
                model text NOT NULL,
                part text NOT NULL,
                shape text NOT NULL,
                priority smallint NOT NULL,
                owner text,
                since timestamptz NOT NULL DEFAULT clock_timestamp(),
                worker text,
                lease_end timestamptz,
                fence bigint NOT NULL DEFAULT 0,
                attempts smallint NOT NULL DEFAULT 0,
                ended_progress bigint,
                progress bigint NOT NULL DEFAULT 0,
                blob text,
                begun boolean NOT NULL DEFAULT false
            ) WITH (
                fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
                autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = false,
                autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 2000
            )
            """,
            """
            CREATE INDEX line_waiting ON \(name).line (model, part, priority, since, sequence)
            WHERE worker IS NULL
            """,
            """
            CREATE INDEX line_shape ON \(name).line (model, part, priority, shape, since, sequence)
            WHERE worker IS NULL
            """,
            "CREATE INDEX line_claimed ON \(name).line (worker) WHERE worker IS NOT NULL",
            "CREATE INDEX line_owner ON \(name).line (owner) WHERE NOT begun",
        ]
    }

    /// `tell` writes an event of a job. A worker's needs the fence, and removes what is too much: the answer is the blobs of
    /// previews that are not shown any more, or NULL if the fence was another. Without a fence it is an event of the job's
    /// state.
    private var events: [String] {
        [
            """
            CREATE TABLE \(name).event (
                job text NOT NULL,
                id bigint NOT NULL,
                name text NOT NULL,
                live text,
                blob text,
                image integer,
                index integer,
                step integer,
                PRIMARY KEY (job, id)
            )
            """,
            tell("CREATE FUNCTION", first: ""),
        ]
    }

    private func tell(_ create: String, first: String) -> String {
        """
        \(create) \(name).tell(
            _job text, _fence bigint, _name text, _live text, _blob text, _image integer, _index integer, _step integer
        ) RETURNS text[] LANGUAGE plpgsql AS $$
        DECLARE
            _id bigint;
            _gone text[];
        BEGIN
            \(first)
            IF _fence IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM \(name).line WHERE id = _job AND fence = _fence AND worker IS NOT NULL
            ) THEN
                RETURN NULL;
            END IF;
            LOOP
                SELECT greatest(coalesce(max(id), 0) + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
                INTO _id FROM \(name).event WHERE job = _job;
                INSERT INTO \(name).event (job, id, name, live, blob, image, index, step)
                VALUES (_job, _id, _name, _live, _blob, _image, _index, _step) ON CONFLICT DO NOTHING;
                EXIT WHEN FOUND;
            END LOOP;
            IF _fence IS NULL THEN RETURN '{}'; END IF;
            WITH gone AS (
                DELETE FROM \(name).event WHERE job = _job AND (
                    id <= (SELECT id FROM \(name).event WHERE job = _job
                        ORDER BY id DESC OFFSET \(LedgerEvent.capacity) LIMIT 1)
                    OR _blob IS NOT NULL AND blob IS NOT NULL AND id <= (
                        SELECT id FROM \(name).event WHERE job = _job AND blob IS NOT NULL
                        ORDER BY id DESC OFFSET \(LedgerEvent.previewCapacity) LIMIT 1)
                ) RETURNING blob
            )
            SELECT coalesce(array_agg(blob) FILTER (WHERE blob IS NOT NULL), '{}') INTO _gone FROM gone;
            RETURN _gone;
        END
        $$
        """
    }

    /// Triggers, so that whoever changes the state of a job writes in the same transaction who is to be told. An id of a
    /// notice has 122 random bits.
    private var notices: [String] {
        [
            "CREATE TABLE \(name).webhook (url text PRIMARY KEY)",
            """
            CREATE TABLE \(name).notice (
                sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                id text NOT NULL,
                url text NOT NULL REFERENCES \(name).webhook (url) ON DELETE CASCADE,
                job text NOT NULL,
                kind text NOT NULL,
                state text NOT NULL,
                ended_at double precision NOT NULL,
                attempts integer NOT NULL DEFAULT 0,
                due timestamptz NOT NULL DEFAULT '-infinity'
            )
            """,
            "CREATE INDEX notice_due ON \(name).notice (url, sequence)",
            """
            CREATE FUNCTION \(name).job_changed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    INSERT INTO \(name).event (job, id, name)
                    VALUES (NEW.id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 'queued');
                ELSIF NEW.state = 'queued' THEN
                    PERFORM \(name).tell(NEW.id, NULL, 'queued', NULL, NULL, NULL, NULL, NULL);
                ELSIF NEW.state IN ('succeeded', 'failed', 'cancelled') THEN
                    PERFORM \(name).tell(
                        NEW.id, NULL, CASE NEW.state WHEN 'succeeded' THEN 'done' ELSE NEW.state END,
                        NULL, NULL, NULL, NULL, NULL);
                    INSERT INTO \(name).notice (id, url, job, kind, state, ended_at)
                    SELECT 'evt_' || replace(gen_random_uuid()::text, '-', ''), url, NEW.id, NEW.kind, NEW.state,
                        coalesce(NEW.finished_at, extract(epoch FROM clock_timestamp())) FROM \(name).webhook;
                END IF;
                RETURN NULL;
            END
            $$
            """,
            """
            CREATE TRIGGER job_changed AFTER UPDATE OF state ON \(name).job FOR EACH ROW
            WHEN (NEW.state <> OLD.state AND NEW.state <> 'running') EXECUTE FUNCTION \(name).job_changed()
            """,
            """
            CREATE TRIGGER job_accepted AFTER INSERT ON \(name).job FOR EACH ROW EXECUTE FUNCTION \(name).job_changed()
            """,
            """
            CREATE FUNCTION \(name).job_removed() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                DELETE FROM \(name).event WHERE job = OLD.id;
                RETURN NULL;
            END
            $$
            """,
            """
            CREATE TRIGGER job_removed AFTER DELETE ON \(name).job FOR EACH ROW EXECUTE FUNCTION \(name).job_removed()
            """,
        ]
    }

    // MARK: 2

    /// The numbers of a job's events are in the order in which they are there to be read: whoever tells one waits for the end
    /// of a transaction that tells another. A reader that goes on behind a number misses none.
    private var tellInOrder: String {
        tell(
            "CREATE OR REPLACE FUNCTION",
            first: "PERFORM pg_advisory_xact_lock(hashtextextended('\(name) ' || _job, 0));")
    }

    // MARK: 3

    /// Of jobs that have not begun, owners take turns: `PostgresLedger.turn` says when a job comes. Those that have begun
    /// have turn 0, and only their age counts.
    private var turns: [String] {
        [
            "ALTER TABLE \(name).line ADD COLUMN turn bigint NOT NULL DEFAULT 0",
            "DROP INDEX \(name).line_waiting, \(name).line_shape",
            """
            CREATE INDEX line_waiting ON \(name).line (model, part, priority, turn, since, sequence)
            WHERE worker IS NULL
            """,
            """
            CREATE INDEX line_shape ON \(name).line (model, part, priority, shape, turn, since, sequence)
            WHERE worker IS NULL
            """,
            "CREATE INDEX line_turn ON \(name).line (priority, turn) WHERE NOT begun",
            "CREATE INDEX line_owner_turn ON \(name).line (coalesce(owner, ''), priority, turn) WHERE NOT begun",
        ]
    }

    /// Jobs whose pictures were on their way to the blob store before they were in the ledger.
    private var uploads: String {
        """
        CREATE TABLE \(name).upload (job text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())
        """
    }

    /// What the phases of a model's jobs are computed with.
    private var arithmetics: String { "CREATE TABLE \(name).arithmetic (model text PRIMARY KEY, value text NOT NULL)" }
}
