import Foundation
import PostgreSQL
import Synchronization
import TestSupport
import Testing

@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct PostgreSQLTests {
    private func address() throws -> PostgresAddress { try PostgresAddress(PostgresServer.shared.get().address) }

    // MARK: Values

    @Test(arguments: [
        "", "plain", "'; DROP TABLE x; --", "\"q\" \\ {},NULL", "zwei\nZeilen\t\r", "日本語 👩‍👩‍👧 e\u{301}", "NULL",
        "\u{1}\u{7f}",
    ])
    func `Texts come back, alone and in arrays`(_ text: String) throws {
        let connection = PostgresConnection(try address())
        let rows = try connection.execute(
            """
            SELECT $1::text AS one, length($1) AS count, e FROM unnest($2::text[]) WITH ORDINALITY AS a (e, n) ORDER BY n
            """,
            [.text(text), .texts([text, nil, "x", text])])
        #expect(rows.map { $0.text("one").map(codePoints) } == Array(repeating: codePoints(text), count: 4))
        #expect(rows.first?.integer("count") == text.unicodeScalars.count)
        #expect(rows.map { $0.text("e").map(codePoints) } == [text, nil, "x", text].map { $0.map(codePoints) })
    }

    @Test func `Bytes and numbers come back to the bit`() throws {
        let connection = PostgresConnection(try address())
        let bytes = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 7 / 3) }
        for bytes in [[], [0], [0, 255, 92, 0], bytes] {
            let row = try #require(
                connection.execute("SELECT $1 AS b, octet_length($1) AS n, $1 IS NULL AS none", [.bytes(bytes)]).first)
            #expect(row.bytes("b") == bytes && row.integer("n") == bytes.count && row.boolean("none") == false)
        }
        for number in [0.1, -1e-308, 1.7976931348623157e308, 5e-324, 1_764_425_000.123_456_7, 3] {
            let row = try #require(connection.execute("SELECT $1::double precision AS x", [.number(number)]).first)
            #expect(row.number("x")?.bitPattern == number.bitPattern)
        }
        let row = try #require(
            connection.execute(
                "SELECT $1::bigint AS i, NULL::integer AS none, 'x' AS word, $2::bigint[] AS list",
                [.integer(Int64.min), .integers([1, -2])]
            ).first)
        #expect(row.integer("i") == Int.min && row.integer("none") == nil && row.integer("word") == nil)
        #expect(row.number("word") == nil && row.bytes("word") == nil && row.boolean("word") == nil)
        #expect(row.text("list") == "{1,-2}" && row.text("nobody") == nil)
    }

    @Test func `What the server refuses is told with its SQLSTATE, and the connection goes on`() throws {
        let connection = PostgresConnection(try address())
        let syntax = #expect(throws: PostgresFault.self) { try connection.execute("SELEC 1") }
        #expect(syntax?.state == "42601" && syntax?.isOutage == false)
        #expect(syntax?.description.contains("syntax error") == true)
        let zero = #expect(throws: PostgresFault.self) { try connection.execute("SELECT $1", [.text("a\0b")]) }
        #expect(zero?.state == "22021")
        let slow = PostgresConnection(try address(), statementTimeout: 0.05)
        let late = #expect(throws: PostgresFault.self) { try slow.execute("SELECT pg_sleep(5)") }
        #expect(late?.state == "57014" && late?.isOutage == false)
        #expect(try connection.execute("SELECT 1 AS x").first?.integer("x") == 1)
        #expect(try slow.execute("SELECT 1 AS x").first?.integer("x") == 1)
    }

    // MARK: Addresses

    @Test(arguments: [
        "", "phasor", "/tmp/x", "mysql://x", "postgres://u:secret%zzword@h/d",
        "host='secretword", "secretword=",
    ])
    func `What is no address is not repeated`(_ text: String) {
        let fault = #expect(throws: PostgresFault.self) { try PostgresAddress(text) }
        #expect(fault?.description == "--store: it is no address of a PostgreSQL database")
    }

    @Test func `No password is in what is said`() throws {
        let port = 20_000 + Int.random(in: 0..<10_000)
        for text in [
            "postgres://user:secretword@127.0.0.1:\(port)/things?connect_timeout=2",
            "host=127.0.0.1 port=\(port) user=user password=secretword dbname=things",
        ] {
            let address = try PostgresAddress(text)
            #expect("\(address)" == "postgres://127.0.0.1:\(port)/things")
            let fault = #expect(throws: PostgresFault.self) { try PostgresConnection(address).connect() }
            #expect(fault?.isOutage == true && fault?.description.contains("refused") == true)
            #expect(fault?.description.contains("secretword") == false)
        }
        #expect("\(try PostgresAddress("postgresql:///phasor"))" == "postgres://localhost/phasor")
    }

    // MARK: Transactions

    @Test func `A transaction that throws is undone, one that conflicts is done again`() throws {
        let pool = PostgresPool(try address(), size: 4)
        let table = "t\(UInt32.random(in: 0 ... .max))"
        try pool.run { try $0.script("CREATE TABLE \(table) (n integer); INSERT INTO \(table) VALUES (0)") }
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try pool.transaction { db in
                try db.execute("UPDATE \(table) SET n = 100")
                throw Stop()
            }
        }
        // Under `repeatable read` a row that another has changed since the transaction began is a conflict (40001).
        let faults = Mutex<[any Error]>([])
        let group = DispatchGroup()
        for _ in 0..<4 {
            DispatchQueue.global().async(group: group) {
                do {
                    for _ in 0..<25 {
                        try pool.transaction { db in
                            try db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                            let n = try db.execute("SELECT n FROM \(table)").first?.integer("n") ?? 0
                            try db.execute("UPDATE \(table) SET n = $1::integer", [.integer(n + 1)])
                        }
                    }
                } catch {
                    faults.withLock { $0.append(error) }
                }
            }
        }
        group.wait()
        #expect(faults.withLock { $0.isEmpty }, "\(faults.withLock { $0 })")
        #expect(try pool.run { try $0.execute("SELECT n FROM \(table)").first?.integer("n") } == 100)
    }

    @Test func `More tasks than connections wait for their turn`() async throws {
        let pool = PostgresPool(try address(), size: 3)
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<60 {
                group.addTask {
                    try await pool.run { db in
                        try db.execute("SELECT $1::integer AS n, pg_sleep(0.002)", [.integer(index)]).first?.integer(
                            "n") ?? 0
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == (0..<60).reduce(0, +))
        let open = try await pool.run { db in
            try db.execute(
                """
                SELECT count(*) AS n FROM pg_stat_activity
                WHERE query LIKE '%pg_sleep(0.002)%' AND pid <> pg_backend_pid()
                """
            ).first?.integer("n")
        }
        #expect((open ?? 99) <= 3)
    }

    // MARK: Outages

    @Test func `A server that is started again is found again`() async throws {
        let server = try PostgresServer()
        let pool = PostgresPool(try PostgresAddress(server.address), size: 2)
        let heard = Mutex<[PostgresListener.Event]>([])
        let listener = PostgresListener(pool.address, channels: ["one", "two"]) { event in
            heard.withLock { $0.append(event) }
        }
        func until(_ condition: ([PostgresListener.Event]) -> Bool) async throws {
            var events: [PostgresListener.Event] = []
            for _ in 0..<2000 {
                events = heard.withLock { $0 }
                if condition(events) { break }
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(condition(events), "\(events)")
        }
        listener.start()
        defer { listener.stop() }
        try await until { $0 == [.connected] }
        try await pool.run { db in
            _ = try db.execute("SELECT pg_notify('two', 'a b'), pg_notify('three', 'c'), pg_notify('one', '')")
        }
        try await until { events in
            events.dropFirst() == [.notified(channel: "two", payload: "a b"), .notified(channel: "one", payload: "")]
        }

        // A statement that is under way, and a transaction.
        let under = Task {
            try await pool.run { db in _ = try db.execute("SELECT pg_sleep(30)") }
        }
        try await Task.sleep(for: .milliseconds(200))
        server.stop()
        let cut = await #expect(throws: PostgresFault.self) { try await under.value }
        #expect(cut?.isOutage == true)
        let away = await #expect(throws: PostgresFault.self) {
            try await pool.run { db in _ = try db.execute("SELECT 1") }
        }
        #expect(away?.isOutage == true && away?.description.contains(server.folder) == true)
        try server.start()
        #expect(try await pool.run { try $0.execute("SELECT 1 AS x").first?.integer("x") } == 1)
        try await until { $0.filter { $0 == .connected }.count == 2 }
        heard.withLock { $0 = [] }
        try await pool.run { db in _ = try db.execute("SELECT pg_notify('one', 'again')") }
        try await until { $0 == [.notified(channel: "one", payload: "again")] }
    }

    @Test func `A transaction whose connection breaks is not half done`() throws {
        let pool = PostgresPool(try address(), size: 2)
        let table = "t\(UInt32.random(in: 0 ... .max))"
        try pool.run { try $0.script("CREATE TABLE \(table) (n integer)") }
        let fault = #expect(throws: PostgresFault.self) {
            try pool.run { db in
                try db.transaction { db in
                    try db.execute("INSERT INTO \(table) VALUES (1)")
                    let pid = try db.execute("SELECT pg_backend_pid() AS pid").first?.integer("pid") ?? 0
                    try pool.run { _ = try $0.execute("SELECT pg_terminate_backend($1::integer)", [.integer(pid)]) }
                    // Whoever goes on all the same must not do the rest alone.
                    do { try db.execute("INSERT INTO \(table) VALUES (2)") } catch {}
                    try db.execute("INSERT INTO \(table) VALUES (3)")
                }
            }
        }
        #expect(fault?.isOutage == true)
        #expect(try pool.run { try $0.execute("SELECT count(*) AS n FROM \(table)").first?.integer("n") } == 0)
    }
}
