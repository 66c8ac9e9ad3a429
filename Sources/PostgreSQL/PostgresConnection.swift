import CPostgreSQL
import Foundation

/// One connection. One thread uses it at a time; all calls block.
///
/// It connects when it is first used, and again after it broke. A statement that was under way when it broke is not done
/// again: nobody knows whether the server has done it.
package final class PostgresConnection: @unchecked Sendable {
    package let address: PostgresAddress
    /// Seconds after which the server gives a statement up; nil for never.
    private let statementTimeout: Double?
    private var connection: OpaquePointer?
    private var isInTransaction = false

    /// Does not connect yet.
    package init(_ address: PostgresAddress, statementTimeout: Double? = 30) {
        self.address = address
        self.statementTimeout = statementTimeout
    }

    deinit { close() }

    package func close() {
        if let connection { PQfinish(connection) }
        connection = nil
        isInTransaction = false
    }

    /// Connects if it is not connected.
    package func connect() throws(PostgresFault) {
        _ = try open()
    }

    /// Whether the server still holds its end, as far as can be seen without asking it.
    package var isConnected: Bool {
        guard let connection, PQconsumeInput(connection) == 1 else { return false }
        return PQstatus(connection) == CONNECTION_OK
    }

    /// The socket, to wait at.
    var socket: Int32? { connection.map { PQsocket($0) } }

    // MARK: Statements

    /// Does one statement.
    /// - Parameter values: what `$1`, `$2` and so on stand for.
    @discardableResult
    package func execute(_ sql: String, _ values: [PostgresValue] = []) throws(PostgresFault) -> PostgresRows {
        guard values.allSatisfy(\.isStorable) else {
            throw PostgresFault(place, "a text with the character 0 cannot be stored", state: "22021")
        }
        let connection = try open()
        let answer = Self.withParameters(values) { types, pointers, lengths, formats in
            PQexecParams(connection, sql, Int32(values.count), types, pointers, lengths, formats, 0)
        }
        return try read(answer, of: connection)
    }

    /// Does several statements, without parameters. Outside a transaction they are one.
    package func script(_ sql: String) throws(PostgresFault) {
        let connection = try open()
        _ = try read(PQexec(connection, sql), of: connection)
    }

    /// Does `body` in a transaction, which is undone if it throws.
    package func transaction<T>(_ body: (PostgresConnection) throws -> T) throws -> T {
        try execute("BEGIN")
        isInTransaction = true
        do {
            let result = try body(self)
            try execute("COMMIT")
            isInTransaction = false
            return result
        } catch {
            isInTransaction = false
            // One that broke is undone by the server.
            if isConnected { do { try execute("ROLLBACK") } catch { close() } }
            throw error
        }
    }

    // MARK: Notifications

    /// Takes what has arrived without waiting.
    /// - Throws: `PostgresFault` if the connection broke.
    func notifications() throws(PostgresFault) -> [(channel: String, payload: String)] {
        guard let connection, PQconsumeInput(connection) == 1 else {
            close()
            throw PostgresFault(place, "the connection broke", isDisconnected: true)
        }
        var found: [(channel: String, payload: String)] = []
        while let notification = PQnotifies(connection) {
            found.append((String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return found
    }

    // MARK: libpq

    private var place: String { address.description }

    private func open() throws(PostgresFault) -> OpaquePointer {
        if let connection {
            if PQstatus(connection) == CONNECTION_OK { return connection }
            // What a transaction has done so far is gone: its next statement must not be done without it.
            let wasInTransaction = isInTransaction
            close()
            guard !wasInTransaction else {
                throw PostgresFault(place, "the connection broke within a transaction", isDisconnected: true)
            }
        }
        // What the address says comes after these, and counts.
        let words = [
            ("connect_timeout", "5"), ("keepalives_idle", "10"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"), ("fallback_application_name", "phasor"), ("dbname", address.text),
            ("client_encoding", "UTF8"),
        ]
        let opened = Self.withCStrings(words.map(\.0)) { keys in
            Self.withCStrings(words.map(\.1)) { values in PQconnectdbParams(keys, values, 1) }
        }
        guard let opened else { throw PostgresFault(place, "no memory for a connection", isDisconnected: true) }
        guard PQstatus(opened) == CONNECTION_OK else {
            let reason = Self.line(PQerrorMessage(opened))
            PQfinish(opened)
            throw PostgresFault(place, reason, isDisconnected: true)
        }
        // Notices of the server are for nobody here.
        PQsetNoticeProcessor(opened, { _, _ in }, nil)
        connection = opened
        if let statementTimeout {
            // Statements here are short; compiling one would take longer than doing it.
            let setting = "SET statement_timeout = \(Int(statementTimeout * 1000)); SET jit = off"
            _ = try read(PQexec(opened, setting), of: opened)
        }
        return opened
    }

    private func read(_ answer: OpaquePointer?, of connection: OpaquePointer) throws(PostgresFault) -> PostgresRows {
        defer { PQclear(answer) }
        let status = PQresultStatus(answer)
        guard status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK else {
            let state = PQresultErrorField(answer, Int32(UInt8(ascii: "C"))).map { String(cString: $0) }
            let message = PQresultErrorField(answer, Int32(UInt8(ascii: "M"))).map { Self.line($0) }
            throw PostgresFault(
                place, message ?? Self.line(PQerrorMessage(connection)), state: state,
                isDisconnected: PQstatus(connection) != CONNECTION_OK)
        }
        let width = PQnfields(answer)
        var columns: [String: Int] = [:]
        for column in 0..<width {
            if let name = PQfname(answer, column) { columns[String(cString: name)] = Int(column) }
        }
        let values = (0..<PQntuples(answer)).map { row in
            (0..<width).map { column in
                let isNull = PQgetisnull(answer, row, column) == 1
                return isNull ? nil : PQgetvalue(answer, row, column).map { String(cString: $0) }
            }
        }
        let changes = PQcmdTuples(answer).flatMap { Int(String(cString: $0)) } ?? 0
        return PostgresRows(columns: columns, values: values, changes: changes)
    }

    /// The first line of a message.
    private static func line(_ message: UnsafePointer<CChar>?) -> String {
        let text = message.map { String(cString: $0) } ?? ""
        let line = text.unicodeScalars.split { $0 == "\n" }.first.map { String(String.UnicodeScalarView($0)) }
        return line ?? "no reason was given"
    }

    private typealias Parameters = (
        UnsafePointer<Oid>, UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<Int32>, UnsafePointer<Int32>
    ) -> OpaquePointer?

    /// The type of bytes; the server finds out the others.
    private static let bytea: Oid = 17

    private static func withParameters(_ values: [PostgresValue], _ body: Parameters) -> OpaquePointer? {
        var storage: [CChar] = []
        var places: [Int?] = []
        for value in values {
            switch value {
            case .null: places.append(nil)
            case .text(let text):
                places.append(storage.count)
                storage.append(contentsOf: text.utf8.lazy.map { CChar(bitPattern: $0) })
                storage.append(0)
            case .bytes(let bytes):
                places.append(storage.count)
                storage.append(contentsOf: bytes.lazy.map { CChar(bitPattern: $0) })
                storage.append(0)
            }
        }
        func bytes(_ value: PostgresValue) -> Int? { if case .bytes(let bytes) = value { bytes.count } else { nil } }
        let types = values.map { bytes($0) == nil ? 0 : bytea }
        let lengths = values.map { Int32(bytes($0) ?? 0) }
        let formats = values.map { Int32(bytes($0) == nil ? 0 : 1) }
        return storage.withUnsafeBufferPointer { storage in
            let pointers = places.map { place in place.flatMap { offset in storage.baseAddress.map { $0 + offset } } }
            return body(types, pointers, lengths, formats)
        }
    }

    /// Lends an array of C strings that ends with NULL.
    private static func withCStrings<T>(
        _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> T
    ) -> T {
        let copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies.map { $0.map { UnsafePointer($0) } } + [nil])
    }
}
